"""What the study of planted tickets measures with, and that its figures are those that were recorded."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from tombola.masks import count, kept_count
from tombola.planting import circle_target, helix_target, relu_target

STUDY = Path(__file__).parents[1] / "experiments" / "planted"
SPEC = importlib.util.spec_from_file_location("planted_task", STUDY / "_task.py")
study = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = study  # dataclasses look their module up
SPEC.loader.exec_module(study)
PATH = STUDY / "result.json"
RECORD = json.loads(PATH.read_text()) if PATH.exists() else {"runs": [], "table": []}
README = (STUDY / "README.md").read_text()
COLUMNS = ("recall", "strong", "weak")
SEEDS = {1: "one seed", 2: "two seeds", 3: "three seeds", 4: "four seeds", 5: "five seeds"}
needs_record = pytest.mark.skipif(not RECORD["runs"], reason="the study has not been run yet")
SMALL = study.Config(width=40, examples=600, epochs=1)


@pytest.fixture(scope="module")
def circle():
    return study.Task(SMALL, "circle", 4, 0)


def _everything(task):
    return {name: torch.ones_like(mask) for name, mask in task.planted.masks.items()}


@pytest.mark.parametrize("name", ["relu", "circle", "helix"])
def test_the_planted_ticket_is_strong_and_recalled_whole(name):
    task = study.Task(study.Config(examples=4000), name, 3, 1)
    assert task.recall(task.planted.masks) == 1
    own = task.quality(task.masked(task.planted.masks), task.scales)
    target = {"relu": relu_target, "circle": circle_target, "helix": helix_target}[name](3)
    assert own == pytest.approx(task.quality(target), abs=0.3)
    assert task.strong(task.masked(task.planted.masks)) > {"relu": 99, "circle": 93, "helix": 99}[name]


def test_recall_counts_what_is_planted_only(circle):
    half = {
        name: mask & (torch.arange(mask.numel()).view(mask.shape) % 2 == 0)
        for name, mask in _everything(circle).items()
    }
    wanted = sum(int((half[name] & mask).sum()) for name, mask in circle.planted.masks.items())
    assert circle.recall(half) == wanted / count(circle.planted.masks)
    assert circle.recall({name: ~mask for name, mask in circle.planted.masks.items()}) == 0


def test_networks_trained_side_by_side_are_those_trained_alone(circle):
    masks = [circle.planted.masks, _everything(circle)]
    together = circle.trained(masks, 1)
    for network, own in zip(together, masks, strict=True):
        (alone,) = circle.trained([own], 1)
        for one, other in zip(network.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
        assert all(not parameter[~own[name]].any() for name, parameter in network.named_parameters())
        assert not network.fc1.weight.equal(circle.masked(own).fc1.weight)


def test_searches_keep_a_share_of_each_layer_and_the_planted_values(circle):
    for rounds in (1, 3):
        (state,) = circle.sought("edge-popup", [0.05], rounds, scaled=False)
        sizes = {name: mask.numel() for name, mask in circle.planted.masks.items()}
        kept = {name: int(mask.sum()) for name, mask in state.method.masks(state).items()}
        assert kept == {name: max(1, round(0.05 * size)) for name, size in sizes.items()}
        pairs = zip(state.network.parameters(), circle.network.parameters(), strict=True)
        assert all(one.equal(other) for one, other in pairs)


def test_a_later_round_prunes_inside_an_earlier_one(circle):
    first = circle.pruned(circle.network, "snip", 0.5)
    later = circle.pruned(circle.network, "snip", 0.1, first)
    assert count(first) == round(0.5 * circle.total)
    assert count(later) == round(0.1 * circle.total)
    assert all(bool((first[name] >= mask).all()) for name, mask in later.items())


def _rows(task, depth):
    """The cells of the table of a task, by method."""
    heading = f"| {task}, depth {depth}, "
    lines = README[README.index(heading) :].split("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return rows[0], {row[0]: row[1:] for row in rows[2:]}


@needs_record
def test_intervals_follow_from_the_seeds():
    for row in RECORD["table"]:
        found = [
            one
            for run in RECORD["runs"]
            if (run["task"], run["depth"]) == (row["task"], row["depth"])
            for one in run["rows"]
            if (one["method"], one["density"]) == (row["method"], row["density"])
        ]
        assert len(found) == row["seeds"]
        for column in ("share", *COLUMNS):
            values = np.array([one[column] for one in found])
            assert row[column]["mean"] == pytest.approx(values.mean())
            if len(values) > 1:
                half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
                assert row[column]["ci95"] == pytest.approx(half)


@needs_record
def test_the_readme_says_every_row():
    shown = 0
    for row in RECORD["table"]:
        head, rows = _rows(row["task"], row["depth"])
        densities = [cell.split()[-1].strip("()") for cell in head[1:]]
        place = 0 if row["method"] == "dense" else densities.index(row["density"])
        cells = rows[row["method"]][place].split(" · ")
        for cell, column in zip(cells, COLUMNS, strict=True):
            numbers = [float(number) for number in re.findall(r"[\d.]+", cell)]
            assert numbers[0] == pytest.approx(row[column]["mean"], abs=0.0501)
            if row[column]["ci95"]:
                assert numbers[1] == pytest.approx(row[column]["ci95"], abs=0.0501)
        shown += 1
    assert shown == README.count(" · ") // 2


@needs_record
def test_densities_are_as_wanted_and_seeds_are_said():
    for run in RECORD["runs"]:
        for row in run["rows"]:
            if run["group"] == "pruning" and row["density"] not in ("ticket", "1"):
                assert row["kept"] == kept_count(round(row["kept"] / row["share"]), float(row["density"]))
            if row["method"] == "planted":
                assert (row["kept"], row["recall"]) == (run["planted"], 100)
    for depth in {run["depth"] for run in RECORD["runs"]}:
        seeds = {run["seed"] for run in RECORD["runs"] if run["depth"] == depth}
        assert f"depth {depth} over {SEEDS[len(seeds)]}" in README
