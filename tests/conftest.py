"""The suite is stricter than the library: annotations are checked at every call, and nothing global may leak."""

import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import jaxtyping
import pytest
import torch

COMPILED = re.compile(r"^\s*@(numba\.)?(njit|jit|vectorize|guvectorize|triton\.jit)\b", re.MULTILINE)


class KernelFinder:
    """Finds the modules that hold compiled kernels, before the import hook can wrap what a compiler must read."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if not name.startswith("tombola."):
            return None
        spec = PathFinder.find_spec(name, path, target)
        is_source = spec is not None and spec.origin is not None and spec.origin.endswith(".py")
        return spec if is_source and COMPILED.search(Path(spec.origin).read_text(encoding="utf-8")) else None


jaxtyping.install_import_hook("tombola", "beartype.beartype")
sys.meta_path.insert(0, KernelFinder)


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def global_state():
    """What torch keeps for the whole process and nothing of tombola may move."""
    return torch.get_rng_state().tolist(), torch.get_default_dtype(), torch.get_num_threads()


@pytest.fixture(autouse=True)
def same_global_state_for_every_test():
    """Every test starts from the same global random numbers, in whatever order and process it runs."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(0)
        yield


@pytest.fixture
def untouched(same_global_state_for_every_test):
    """For tests of purity: torch's global random state, default dtype and thread count are afterwards as before."""
    before = global_state()
    yield
    assert global_state() == before
