import json

import pytest

from tombola.data import load
from tombola.runs import ImpSettings


@pytest.fixture(scope="session")
def digits():
    return load("digits")


@pytest.fixture
def settings():
    return ImpSettings("mlp:64-8-10", steps=20, densities=(0.5, 0.2, 0.1))


def without_seconds(value):
    """JSON data but for the time that it took."""
    if isinstance(value, dict):
        return {name: without_seconds(item) for name, item in value.items() if not name.startswith("seconds")}
    return [without_seconds(item) for item in value] if isinstance(value, list) else value


def contents(folder):
    """Every file of a run: bytes, and JSON without its seconds."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if path.suffix in {".json", ".jsonl"}:
            content = [without_seconds(json.loads(line)) for line in content.splitlines()]
        found[str(path.relative_to(folder))] = content
    return found
