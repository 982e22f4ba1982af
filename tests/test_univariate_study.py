"""The study of univariate networks fits read-outs that do not depend on units, and says what was recorded."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from tombola.data import DataSet, Scaling

STUDY = Path(__file__).parents[1] / "experiments" / "univariate"
README = (STUDY / "README.md").read_text()
FILE = STUDY / "result.json"
RECORD = json.loads(FILE.read_text()) if FILE.exists() else None
SEEDS = {2: "two seeds", 3: "three seeds", 4: "four seeds", 5: "five seeds", 10: "ten seeds"}
recorded = pytest.mark.skipif(RECORD is None, reason="the study has not been run yet")


@pytest.fixture(scope="module")
def read_out():
    spec = importlib.util.spec_from_file_location("univariate_read_out", STUDY / "_read_out.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.read_out


def rings(count, seed):
    """Points of the plane, and whether they are far from the origin: no half-plane holds one kind alone."""
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return x, (x.square().sum(1) > 1.4).long()


class Squares(nn.Module):
    """Features in which the rings are linear, with one that never changes and a unit of measurement."""

    def __init__(self, unit):
        super().__init__()
        self.unit = unit

    def forward(self, x):
        return torch.cat([self.unit * x.square(), torch.full_like(x[:, :1], 7.0)], dim=1)


def test_a_read_out_needs_features_and_no_units(read_out):
    (x, y), (test, wanted) = rings(600, 1), rings(400, 2)
    loaded = DataSet("rings", x, y, test, wanted, Scaling("none"))
    plain, first, again = (read_out(features, loaded) for features in (nn.Flatten(), Squares(1.0), Squares(512.0)))
    assert first["accuracy"] > 90  # the ridge pulls the line a little
    assert plain["accuracy"] < 75
    assert again["accuracy"] == first["accuracy"]


def _rows(heading):
    """The cells of the table of the README that begins with a heading."""
    lines = README[README.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _accuracies(shape, density, features, data):
    """Of all seeds; pixels have no shape, and random networks density 1."""
    shape, density = "" if features == "pixels" else shape, 1.0 if features in ("pixels", "random network") else density
    wanted = shape, density, f"ticket of {data}" if features == "own ticket" else features, data
    names = "shape", "density", "features", "data"
    rows = [row for one in RECORD["runs"] for row in one["rows"]]
    return np.array([row["accuracy"] for row in rows if tuple(row[name] for name in names) == wanted])


def _says(cell, values):
    """Whether a cell says the mean of these values and Student's interval, to the last digit."""
    assert len(values) == len(RECORD["runs"]) > 1
    mean, half = re.fullmatch(r"([-+]?[\d.]+) ± ([\d.]+)", cell).groups()
    quantile = stats.t.ppf(0.975, len(values) - 1)
    assert float(mean) == pytest.approx(np.mean(values), abs=0.051)
    assert float(half) == pytest.approx(quantile * np.std(values, ddof=1) / np.sqrt(len(values)), abs=0.051)


def _blocks():
    return [(shape, density) for shape in RECORD["config"]["shapes"] for density in RECORD["config"]["densities"]]


@recorded
def test_the_readme_says_every_accuracy_that_was_recorded():
    for shape, density in _blocks():
        (_, *data), _, *rows = _rows(f"{shape}, density {density:g}: accuracy, %")
        assert data == RECORD["config"]["data"]
        assert len(rows) == len(data) + 4
        for features, *cells in rows:
            for name, cell in zip(data, cells, strict=True):
                _says(cell, _accuracies(shape, density, features, name))


@recorded
def test_the_readme_says_every_difference_of_equal_seeds():
    for shape, density in _blocks():
        (_, *data), _, *rows = _rows(f"{shape}, density {density:g}: difference, points")
        assert len(rows) == 7
        for features, *cells in rows:
            one, other = features.split(" - ")
            for name, cell in zip(data, cells, strict=True):
                if (one, other, name) == (f"ticket of {name}", "own ticket", data[0]):
                    assert not cell
                    continue
                _says(cell, _accuracies(shape, density, one, name) - _accuracies(shape, density, other, name))


@recorded
def test_read_outs_have_converged_and_seeds_are_said():
    rows = [row for one in RECORD["runs"] for row in one["rows"] if "iterations" in row]
    assert max(row["iterations"] for row in rows) < 200
    assert [one["seed"] for one in RECORD["runs"]] == list(range(len(RECORD["runs"])))
    assert SEEDS[len(RECORD["runs"])] in README
