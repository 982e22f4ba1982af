"""What the benchmarks share: figures that are printed, kept with the test's result and, on request, in a file."""

import json
import os
import sys
from pathlib import Path

import pytest


@pytest.fixture
def report(request, record_property, capsys):
    """Prints, records and, with `TOMBOLA_BENCH_OUT=file.json`, stores one line of figures."""

    def add(**figures):
        for name, figure in figures.items():
            record_property(name, figure)
        shown = "  ".join(f"{name} {figure:.4g}" for name, figure in figures.items())
        with capsys.disabled():
            sys.stdout.write(f"\n{request.node.name}: {shown}\n")
        if out := os.environ.get("TOMBOLA_BENCH_OUT"):
            path = Path(out)
            stored = json.loads(path.read_text()) if path.exists() else {}
            stored.setdefault(request.node.name, {}).update(figures)
            path.write_text(json.dumps(stored, indent=1) + "\n")

    return add
