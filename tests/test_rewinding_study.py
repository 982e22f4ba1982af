"""The figures of the study of rewinding are those that were recorded, which follow from the single networks."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tombola.masks import kept_count

STUDY = Path(__file__).parents[1] / "experiments" / "rewinding"
RECORD = json.loads((STUDY / "result.json").read_text())
README = (STUDY / "README.md").read_text()
TABLE = RECORD["table"]
SEEDS = {2: "two seeds", 3: "three seeds", 4: "four seeds", 5: "five seeds"}


def _rows(heading):
    """The cells of the table of the README that begins with a heading."""
    lines = README[README.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _accuracies(method, level):
    rows = [row for one in RECORD["runs"] for row in one["rows"]]
    return np.array([row["accuracy"] for row in rows if (row["method"], row["level"]) == (method, level)])


def _same(found, values):
    """Whether an interval is Student's, of these values."""
    assert len(values) == len(RECORD["runs"]) > 1
    quantile = stats.t.ppf(0.975, len(values) - 1)
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["ci95"] == pytest.approx(quantile * np.std(values, ddof=1) / np.sqrt(len(values)))


def _says(cell, found):
    """Whether a cell says an interval, to the last of its digits."""
    mean, half = re.fullmatch(r"([-+]?[\d.]+) ± ([\d.]+)", cell).groups()
    assert float(mean) == pytest.approx(found["mean"], abs=0.0051)
    assert float(half) == pytest.approx(found["ci95"], abs=0.0051)


def test_intervals_follow_from_the_accuracies_of_the_seeds():
    for row in TABLE["networks"]:
        here = _accuracies(row["method"], row["level"])
        _same(row["accuracy"], here)
        if row["method"] != "dense":
            _same(row["difference"], here - _accuracies("dense", 0))
    for row in TABLE["differences"]:
        _same(row["difference"], _accuracies(row["method"], row["level"]) - _accuracies(row["less"], row["level"]))


def test_barriers_follow_from_the_errors_on_the_lines():
    heights = []
    for i, row in enumerate(TABLE["lines"]):
        errors = np.array([one["lines"][i]["errors"] for one in RECORD["runs"]])
        ends = (errors[:, 0] + errors[:, -1]) / 2
        heights.append(errors.max(axis=1) - ends)
        _same(row["barrier"], heights[-1])
        _same(row["ends"], ends)
    _same(TABLE["lines"][1]["difference"], heights[1] - heights[0])


def test_the_readme_says_every_network():
    rows = _rows("network")
    assert len(rows) == len(TABLE["networks"]) == 17
    for (name, density, accuracy, change, _), row in zip(rows, TABLE["networks"], strict=True):
        assert name.split(":")[0] == row["method"]
        assert float(density) == pytest.approx(row["density"], abs=0.0006)
        _says(accuracy, row["accuracy"])
        if row["method"] == "dense":
            assert not change
        else:
            _says(change, row["difference"])


def test_the_readme_says_every_difference():
    rows = _rows("difference of accuracies")
    assert len(rows) == len(TABLE["differences"]) == 16
    for (name, density, difference, _), row in zip(rows, TABLE["differences"], strict=True):
        assert name == f"{row['method']} - {row['less']}"
        assert float(density) == pytest.approx(row["density"], abs=0.0006)
        _says(difference, row["difference"])


def test_the_readme_says_every_barrier():
    rows = _rows("copies from step")
    assert len(rows) == len(TABLE["lines"]) == 2
    for (step, barrier, ends, less), row in zip(rows, TABLE["lines"], strict=True):
        assert int(step) == row["step"]
        _says(barrier, row["barrier"])
        _says(ends, row["ends"])
        if row["step"]:
            _says(less, row["difference"])


def test_published_differences_follow_from_the_published_errors():
    methods = ["weights to k", "weights to 0", "learning rate", "fine-tuning"]
    errors = {
        (method, float(density)): float(error)
        for density, *cells in _rows("density | weights to k | weights to 0 | learning rate | fine-tuning")
        for method, error in zip(methods, cells, strict=True)
    }
    for row in TABLE["networks"]:
        wanted = errors.get((row["method"], round(row["density"], 3)))
        assert row["published"] == (None if wanted is None else pytest.approx(8.27 - wanted))
    for row in TABLE["differences"]:
        one, other = (errors.get((row[key], round(row["density"], 3))) for key in ("method", "less"))
        assert row["published"] == (None if None in (one, other) else pytest.approx(other - one))


def test_counts_are_exact_and_steps_and_seeds_are_said():
    for one in RECORD["runs"]:
        total = one["rows"][0]["kept"]
        counts = [kept_count(total, density) for density in RECORD["config"]["densities"]]
        for row in one["rows"]:
            assert row["kept"] == (total if row["method"].startswith("dense") else counts[row["level"] - 1])
        assert f"k is step {one['k']} of {one['steps']}" in README
    assert [one["seed"] for one in RECORD["runs"]] == list(range(len(RECORD["runs"])))
    assert SEEDS[len(RECORD["runs"])] in README
