"""The study of redundant networks has the published structures, and says what was recorded."""

import importlib.util
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from tombola.masks import kept_count

STUDY = Path(__file__).parents[1] / "experiments" / "redundant"
README = (STUDY / "README.md").read_text()
FILE = STUDY / "result.json"
RECORD = json.loads(FILE.read_text()) if FILE.exists() else None
SEEDS = {2: "two seeds", 3: "three seeds", 4: "four seeds", 5: "five seeds", 10: "ten seeds"}
recorded = pytest.mark.skipif(RECORD is None, reason="the study has not been run yet")


@pytest.fixture(scope="module")
def networks():
    spec = importlib.util.spec_from_file_location("redundant_networks", STUDY / "_networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shapes(net):
    return {name: tuple(value.shape) for name, value in net.named_parameters()}


def test_parameters_are_those_of_the_published_networks(networks):
    widths = 784, 500, 10
    assert networks.wide(widths, 5) == 2508
    for variant in networks.VARIANTS:
        net = networks.network(variant, widths, 5)
        count = sum(value.numel() for value in net.parameters())
        assert count == (2508 * 794 if variant == networks.WIDE else 1_991_420)


@pytest.mark.parametrize("relu", [False, True])
def test_a_redundant_layer_is_a_block_diagonal_and_a_dense_matrix(networks, relu):
    layer = networks.Redundant(3, 4, copies=2, relu=relu)
    generator = torch.Generator().manual_seed(1)
    for value in layer.parameters():
        nn.init.normal_(value, generator=generator)
    assert shapes(layer) == {"diagonal": (6, 1), "dense": (4, 6)}
    x = torch.randn(5, 3, generator=generator)
    diagonals = torch.cat([block.diag() for block in layer.diagonal[:, 0].split(3)])
    hidden = x @ diagonals.T
    torch.testing.assert_close(layer(x), (hidden.relu() if relu else hidden) @ layer.dense.T)


def test_variances_are_two_over_the_number_of_different_inputs(networks):
    redundant, wide = (networks.network(variant, (8, 6, 10), 5) for variant in ("ReLU", "wide"))
    laws = {name: networks.law(5, name, value).std for name, value in redundant.named_parameters()}
    assert laws == {
        "layer1.diagonal": math.sqrt(2),
        "layer1.dense": math.sqrt(2 / 8),
        "layer2.diagonal": math.sqrt(2),
        "layer2.dense": math.sqrt(2 / 6),
    }
    hidden = networks.wide((8, 6, 10), 5)
    found = {name: networks.law(5, name, value).std for name, value in wide.named_parameters()}
    assert found == {"fc1.weight": math.sqrt(2 / 8), "fc2.weight": math.sqrt(2 / hidden)}


def _rows(heading):
    """The cells of the table of the README that begins with a heading."""
    lines = README[README.index(f"| {heading} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def _accuracies(variant, pruned):
    rows = [row for one in RECORD["runs"] for row in one["rows"]]
    return np.array([row["accuracy"] for row in rows if (row["variant"], row["pruned"]) == (variant, pruned)])


def _says(cell, values):
    """Whether a cell says the mean of these values and Student's interval, to the last digit."""
    assert len(values) == len(RECORD["runs"]) > 1
    mean, half = re.fullmatch(r"([-+]?[\d.]+) ± ([\d.]+)", cell).groups()
    quantile = stats.t.ppf(0.975, len(values) - 1)
    assert float(mean) == pytest.approx(np.mean(values), abs=0.051)
    assert float(half) == pytest.approx(quantile * np.std(values, ddof=1) / np.sqrt(len(values)), abs=0.051)


@recorded
def test_the_readme_says_every_accuracy_that_was_recorded():
    (_, *names), _, *rows = _rows("pruned")
    assert [float(row[0]) for row in rows] == RECORD["config"]["pruned"]
    for pruned, *cells in rows:
        for name, cell in zip(names[:3], cells[:3], strict=True):
            _says(cell, _accuracies(name, float(pruned)))


@recorded
def test_the_readme_says_every_difference_of_equal_seeds():
    (_, *names), _, *rows = _rows("difference, points")
    assert [float(row[0]) for row in rows] == RECORD["config"]["pruned"]
    for pruned, *cells in rows:
        for name, cell in zip(names, cells, strict=True):
            one, other = name.split(" - ")
            _says(cell, _accuracies(one, float(pruned)) - _accuracies(other, float(pruned)))


@recorded
def test_counts_are_exact_layer_by_layer_and_seeds_are_said(networks):
    config = RECORD["config"]
    assert config["halved"]
    for one in RECORD["runs"]:
        for row in one["rows"]:
            net = networks.network(row["variant"], (196, config["hidden"], 10), config["copies"])
            sizes = [value.numel() for value in net.parameters()]
            assert row["parameters"] == sum(sizes)
            assert row["kept"] == sum(kept_count(size, round(1 - row["pruned"], 9)) for size in sizes)
    assert [one["seed"] for one in RECORD["runs"]] == list(range(len(RECORD["runs"])))
    assert SEEDS[len(RECORD["runs"])] in README


@recorded
def test_random_networks_of_which_nothing_is_pruned_are_near_chance():
    for variant in ("linear", "ReLU", "wide"):
        assert 2 < np.mean(_accuracies(variant, 0.0)) < 20
