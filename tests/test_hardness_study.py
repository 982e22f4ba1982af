"""The targets of the study of hardness do what they say, and its figures are those that were recorded."""

import importlib.util
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

STUDY = Path(__file__).parents[1] / "experiments" / "hardness"
SPEC = importlib.util.spec_from_file_location("hardness_targets", STUDY / "_targets.py")
targets = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(targets)
PATH = STUDY / "result.json"
RECORD = json.loads(PATH.read_text()) if PATH.exists() else {"runs": [], "table": {}}
README = (STUDY / "README.md").read_text()
MEASURES = ("search", "training", "neurons", "construction", "certificate")
SIZES = ("search weights", "construction weights", "construction kept")
needs_record = pytest.mark.skipif(not RECORD["runs"], reason="the study has not been run yet")


@pytest.mark.parametrize("dimension", [1, 2, 3, 8])
def test_a_parity_is_exact_at_all_points(dimension):
    x = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=dimension)))
    torch.testing.assert_close(targets.parity(dimension)(x).detach(), x.prod(dim=1, keepdim=True), rtol=0, atol=0)


def test_a_neuron_has_a_weight_of_norm_d_squared_and_no_more():
    net = targets.neuron(9, generator=torch.Generator().manual_seed(0))
    assert float(net[0].weight.detach().double().norm()) == pytest.approx(81, rel=1e-6)
    x = torch.randn(50, 9, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(net(3 * x), 3 * net(x))
    torch.testing.assert_close(net(x), (x @ net[0].weight.T).relu())


def test_bits_are_uniform_signs():
    x = targets.bits(20_000, 3, generator=torch.Generator().manual_seed(0))
    assert sorted(x.unique().tolist()) == [-1, 1]
    assert float(x.mean(dim=0).abs().max()) < 5 / 20_000**0.5


def test_errors_by_hand():
    found, wanted = torch.tensor([[1.0], [-2.0], [3.0]]), torch.tensor([[1.0], [2.0], [1.0]])
    assert targets.wrong_signs(found, wanted) == pytest.approx(1 / 3)
    assert targets.relative_error(found, wanted) == pytest.approx((16 + 4) / 6)


def test_no_choice_of_neurons_beats_the_best_outer_weights():
    generator = torch.Generator().manual_seed(0)
    x, features = torch.randn(500, 4, generator=generator), torch.randn(6, 4, generator=generator)
    y = targets.neuron(4, generator=generator)(x).detach().double()
    hidden = (x @ features.T).relu().double()
    best = targets.relative_error(hidden @ targets.best_neurons(x, y, features), y)
    for kept in itertools.product([0.0, 1.0], repeat=6):
        output = hidden @ (torch.tensor(kept).double() * torch.randn(6, generator=generator).double())[:, None]
        scale = (output * y).sum() / output.square().sum().clamp(min=1e-12)
        assert targets.relative_error(scale * output, y) >= best - 1e-9


def _runs(part, dimension):
    return [one for one in RECORD["runs"] if (one["part"], one["dimension"]) == (part, dimension)]


@needs_record
def test_intervals_follow_from_the_seeds():
    for part, rows in RECORD["table"].items():
        for row in rows:
            runs = _runs(part, row["dimension"])
            assert len(runs) == row["seeds"]
            for name in (*MEASURES, *SIZES):
                values = np.array([one[name] for one in runs], float)
                assert row[name]["mean"] == pytest.approx(values.mean())
                if len(values) > 1:
                    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
                    assert row[name]["ci95"] == pytest.approx(half)


@needs_record
def test_the_best_rate_counts_and_no_construction_is_worse_than_it_proves():
    for one in RECORD["runs"]:
        assert one["search"] == min(one["rates"].values())
        assert len(one["rates"]) == len(RECORD["config"]["rates"])
        assert one["construction"] <= one["certificate"]


@needs_record
def test_the_readme_says_every_row():
    for part, rows in RECORD["table"].items():
        lines = README[README.index(f"| {part}: d ") :].split("\n\n")[0].splitlines()[2:]
        shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        assert [[int(cell) for cell in cells[:2]] for cells in shown] == [
            [row["dimension"], row["seeds"]] for row in rows
        ]
        for (_, _, *cells), row in zip(shown, rows, strict=True):
            for cell, name in zip(cells, (*MEASURES, *SIZES), strict=True):
                mean, *half = [float(number) for number in re.findall(r"[\d.]+(?:e-?\d+)?", cell.replace(",", ""))]
                assert mean == pytest.approx(row[name]["mean"], rel=0.005, abs=0.51 if name in SIZES else 0)
                assert not half or half[0] == pytest.approx(row[name]["ci95"], rel=0.05)


@needs_record
def test_the_words_of_the_page_hold():
    means = {
        part: {row["dimension"]: {name: row[name]["mean"] for name in (*MEASURES, *SIZES)} for row in rows}
        for part, rows in RECORD["table"].items()
    }
    parity, neuron = means["parity"], means["neuron"]
    rows = [*parity.values(), *neuron.values()]
    assert all(row["construction"] <= row["certificate"] < 1e-3 for row in rows)
    assert all(row["construction weights"] < row["search weights"] for row in rows)
    assert all(parity[d]["search"] < 0.01 for d in parity if d <= 8)
    assert all(parity[d]["search"] > 0.4 for d in parity if d >= 12)
    assert all(parity[d]["training"] < 0.1 for d in parity if d <= 12)
    assert all(max(row["search"], row["training"]) < 0.02 for row in neuron.values())
    assert all(row["neurons"] > row["search"] for row in neuron.values())
    assert neuron[64]["neurons"] == pytest.approx(0.5 - 1 / np.pi, rel=0.1)
