"""Every public name imports, explains itself with an example, and has its place in the documentation."""

import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tombola

PAGES = Path(__file__).parents[1] / "docs" / "api"
NAMES = [name for name in getattr(tombola, "__all__", ()) if name != "__version__"]
HEAVY = ("numba", "scipy", "sklearn", "accelerate", "typer", "rich", "pydantic", "matplotlib", "pandas")


def documented_names():
    """The dotted names behind the `:::` lines of the API pages."""
    return {name for page in PAGES.glob("*.md") for name in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)}


def resolved(dotted):
    """The object behind a dotted name: the longest importable module, then attributes."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[cut:]:
            found = getattr(found, attribute)
        return found
    raise ModuleNotFoundError(dotted)


def test_the_public_names_are_listed_once_and_shown_by_dir():
    assert len(NAMES) == len(set(NAMES))
    assert set(NAMES) <= set(dir(tombola))


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_imports_and_has_an_example(name):
    public = getattr(tombola, name)
    assert public.__doc__, f"tombola.{name} has no docstring"
    is_error = isinstance(public, type) and issubclass(public, Exception)
    assert is_error or inspect.ismodule(public) or ">>> " in public.__doc__, (
        f"the docstring of tombola.{name} has no example"
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_in_the_documentation(name):
    public = getattr(tombola, name)
    assert any(resolved(dotted) is public for dotted in documented_names()), f"no ::: line in docs/api for {name}"


@pytest.mark.parametrize("name", NAMES)
def test_no_module_can_take_the_place_of_a_public_name(name):
    """Importing `tombola.name` would bind the module over the function, depending on what was imported first."""
    assert inspect.ismodule(getattr(tombola, name)) or importlib.util.find_spec(f"tombola.{name}") is None


@pytest.mark.parametrize("dotted", sorted(documented_names()))
def test_a_documented_name_exists(dotted):
    assert resolved(dotted).__doc__


def test_importing_the_package_leaves_heavy_packages_alone():
    script = "import sys; import torch; before = set(sys.modules); import tombola; print(*set(sys.modules) - before)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & set(HEAVY) == set()
    assert "tombola" in run.stdout.split()


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tombola.no_such_name
