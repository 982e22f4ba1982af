"""Runs that are pruned before training: their masks are those of `prune` on the initial weights."""

import pytest
import torch

from tombola.allocate import uniform
from tombola.data import load
from tombola.imp import prunable
from tombola.models import build
from tombola.prune import CRITERIA, prune
from tombola.runs import METHODS, grid, method_of, run_cell, scoring_batches
from tombola.ticket import load_ticket

STUDY = {"data": "digits", "model": "mlp:64-8-10", "steps": 20, "densities": [0.5, 0.1]}


def masks_of(folder, level):
    found = load_ticket(folder / "levels" / f"{level:02d}" / "level.ticket").masks()
    return {name: mask for name, mask in found.items() if name.endswith("weight")}


def initial(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return build("mlp:64-8-10", input_shape=(1, 8, 8), classes=10, generator=generator)


def test_every_criterion_is_a_method_and_a_sampled_one_unless_it_draws_itself():
    assert {method_of(name, False) for name in CRITERIA} <= METHODS.keys()
    assert {name for name in CRITERIA if method_of(name, True) not in METHODS} == {"random", "phew"}


@pytest.mark.parametrize("method", ["prune-snip", "prune-synflow-sampled", "prune-force"])
def test_every_level_keeps_what_it_is_asked_to_and_begins_at_the_initial_weights(tmp_path, method):
    (cell,) = grid({**STUDY, "method": method})
    run = run_cell(cell, tmp_path / "run")
    assert [record.kept for record in run.levels] == [592, 296, 59]
    net = initial()
    for level in (1, 2):
        ticket = load_ticket(tmp_path / "run" / "levels" / f"{level:02d}" / "level.ticket")
        for name, mask in masks_of(tmp_path / "run", level).items():
            wanted = torch.where(mask, net.get_parameter(name), 0.0).detach()
            torch.testing.assert_close(torch.tensor(ticket.values[name]).view_as(wanted), wanted, rtol=0, atol=0)


def test_a_criterion_without_data_finds_the_masks_of_prune(tmp_path):
    (cell,) = grid({**STUDY, "method": "prune-magnitude", "by_layer": True, "seed": 3})
    run_cell(cell, tmp_path / "run")
    net = initial(3)
    for level, kept in ((1, 296), (2, 59)):
        wanted = prune(
            net, score=CRITERIA["magnitude"].score, density=kept / 592, allocate=uniform, names=prunable(net)
        )
        found = masks_of(tmp_path / "run", level)
        assert all(mask.equal(found[name]) for name, mask in wanted.items())


def test_a_run_that_lost_a_level_goes_on_the_same(tmp_path):
    (cell,) = grid({**STUDY, "method": "prune-snip-sampled"})
    run_cell(cell, tmp_path / "run")
    before = masks_of(tmp_path / "run", 2)
    (tmp_path / "run" / "levels" / "01" / "level.json").unlink()
    run_cell(cell, tmp_path / "run")
    assert all(mask.equal(before[name]) for name, mask in masks_of(tmp_path / "run", 2).items())


@pytest.mark.parametrize("noise", [False, True])
def test_examples_are_of_all_classes_alike(noise, generator):
    batches = scoring_batches(load("digits"), 2, noise=noise, generator=generator)
    labels = torch.cat([y for _, y in batches]).bincount(minlength=10)
    assert len(batches) == 2
    assert batches[0][0].shape == (128, 1, 8, 8)
    assert labels.max() - labels.min() <= 1


def test_a_criterion_says_up_to_which_density_it_goes():
    with pytest.raises(ValueError, match=r"densities up to 0.5, got 0.6"):
        CRITERIA["phew"].schedule(0.6)
    assert CRITERIA["synflow"].schedule(0.1).densities[-1] == 0.1
    assert len(CRITERIA["synflow"].schedule(0.1).densities) == 100
    assert CRITERIA["synflow"].schedule(0.1, sampled=True).densities == (0.1,)
