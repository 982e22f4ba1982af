"""The figures of the page on universal tickets are those that were recorded."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "universal-tickets.md").read_text()
RECORD = json.loads((ROOT / "experiments" / "universal" / "result.json").read_text())
ROWS = {
    "monomials 1 to 4, tolerance 0.0015": "monomials 1 to 4 at 1.5e-3, paths",
    "the same by `two_layer`": "monomials 1 to 4 at 1.5e-3, two-layer",
    "monomials 1 to 4, tolerance 0.00015": "monomials 1 to 4 at 1.5e-4, paths",
    "sine, tolerance 0.012": "sin alone at 1.2e-2, paths",
}


def cells(label, page):
    """The numbers of every cell of a row of a table."""
    row = re.search(rf"^\| {re.escape(label)} \| (.*) \|$", page, re.MULTILINE)
    return [[float(number) for number in re.findall(r"\d[\d,.]*", cell.replace(",", ""))] for cell in row[1].split("|")]


def mean(runs, key):
    return sum(run[key] for run in runs) / len(runs)


@pytest.mark.parametrize(("label", "name"), ROWS.items())
def test_a_row_of_the_page_is_the_mean_of_the_recorded_runs(label, name):
    runs = RECORD["tickets"]["runs"][name]
    assert len(runs) == 10
    kept, source, bound, error = cells(label, PAGE)
    assert kept[0] == pytest.approx(mean(runs, "kept"), abs=0.5)
    assert source[0] == pytest.approx(mean(runs, "source parameters"), abs=1)
    assert bound[0] == pytest.approx(mean(runs, "bound"), abs=6e-6)
    assert error[0] == pytest.approx(mean(runs, "sup error"), abs=6e-6)
    assert max(run["bound"] for run in runs) <= float(re.search(r"at ([\d.e-]+),", name)[1])


def test_python_of_the_page_runs_and_comes_to_what_it_says():
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "universal-tickets.md", "exec"), names)
    shown = re.search(r"model\.score\(X, y\)  # ([\d.]+)", PAGE)[1]
    assert names["model"].score(names["X"], names["y"]) == pytest.approx(float(shown), abs=5e-4)
    assert names["ticket"].certificate.bound < 1e-3


def test_no_guarantee_was_violated_in_any_stage():
    stages = [RECORD[stage] for stage in ("tickets", "universality", "tasks", "depth")]
    assert not any(stage["violations"] for stage in stages)


def test_the_readme_quotes_the_same_figures():
    readme = (ROOT / "README.md").read_text()
    runs = RECORD["tickets"]["runs"]
    for name in (
        "monomials 1 to 4 at 1.5e-3, paths",
        "monomials 1 to 4 at 1.5e-4, paths",
        "sin alone at 1.2e-2, paths",
    ):
        assert re.search(rf"\b{round(mean(runs[name], 'kept'))} ± \d", readme), name
