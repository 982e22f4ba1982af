"""Maps from level to level: planted ones are found, others are refused in words."""

import pickle
from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from tests.problems.flows import planted
from tests.problems.planted_levels import Groups, PlantedTraining

from tombola.engines import Workers
from tombola.masks import count
from tombola.renormalization import (
    Flow,
    ImpStep,
    Responses,
    Spectrum,
    ensemble_operator,
    intervention_operator,
    last_magnitudes,
    moved_masks,
    responses,
    trajectory_operator,
)
from tombola.renormalization._coordinates import log_ratio_basis

TRUE = np.array([1.15, 0.9, 0.7, 0.4])
QUICK = Spectrum(resamples=200)


def turned(eigenvalues, random):
    """A symmetric map with given eigenvalues in random directions."""
    basis = np.linalg.qr(random.standard_normal((len(eigenvalues),) * 2))[0]
    return basis @ np.diag(eigenvalues) @ basis.T


def runs_of(matrix, starts, *, random, levels=12, noise=0.0):
    """Flows whose log-ratios follow a map, each level seen with noise."""
    groups = len(matrix) + 1
    flows = []
    for start in starts:
        points = [start]
        for _ in range(levels - 1):
            points.append(matrix @ points[-1])
        seen = np.array(points) + noise * random.standard_normal((levels, groups - 1))
        values = 1e4 * np.exp(seen @ log_ratio_basis(groups).T)
        counts = np.round(1e6 * 0.8 ** np.arange(levels))[:, None].repeat(groups, axis=1).astype(int)
        names = tuple(f"g{i}" for i in range(groups))
        flows.append(Flow(names, np.full(groups, 10**6), counts, values, values))
    return flows


def test_trajectories_without_noise_give_the_map_itself():
    random = np.random.default_rng(0)
    matrix = turned(TRUE, random)
    found = trajectory_operator(runs_of(matrix, random.standard_normal((8, 4)), random=random), window=(0, 11))
    assert_allclose(found.matrix, matrix, atol=1e-9)
    assert_allclose(found.eigenvalues, TRUE, atol=1e-9)
    assert_allclose(found.exponents, np.log(TRUE) / -np.log(0.8), rtol=1e-4)
    assert found.labels == ("relevant", "irrelevant", "irrelevant", "irrelevant")


def test_trajectories_with_noise_of_three_percent_of_their_spread():
    """All four eigenvalues of a map are within 0.04 in at least nine of ten sets of eight runs, and without bias."""
    errors = []
    for seed in range(30):
        random = np.random.default_rng(seed)
        flows = runs_of(turned(TRUE, random), random.standard_normal((8, 4)), random=random, noise=0.03)
        found = trajectory_operator(flows, window=(0, 11), spectrum=QUICK)
        assert found.condition < 100
        errors.append(found.eigenvalues - TRUE)
    assert (np.abs(errors).max(axis=1) < 0.04).mean() >= 0.9
    assert np.abs(np.mean(errors, axis=0)).max() < 0.02


def test_intervals_of_eigenvalues_hold_them_most_of_the_time():
    """Nominal 95 %, from a bootstrap of eight runs."""
    hits = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        flows = runs_of(turned(TRUE[:2], random), random.standard_normal((8, 2)), random=random, noise=0.03)
        found = trajectory_operator(flows, window=(0, 11), spectrum=QUICK)
        hits += list((found.low <= TRUE[:2]) & (found.high >= TRUE[:2]))
    assert 0.9 <= np.mean(hits) < 1


def test_runs_along_one_curve_are_refused():
    random = np.random.default_rng(1)
    starts = np.ones((8, 3)) + 1e-3 * random.standard_normal((8, 3))
    found = trajectory_operator(runs_of(turned(TRUE[:3], random), starts, random=random), window=(0, 11))
    assert found.condition > 100
    assert (found.matrix, found.exponents, found.low) == (None, None, None)
    assert "runs are too alike" in found.refusals[-1]
    assert found.to_json()["eigenvalues"] is None


@pytest.mark.parametrize(
    ("flows", "said"),
    [
        ([planted([0.1, -0.1])] * 2, "a map wants at least 3 runs, there are 2"),
        ([planted([0.1, -0.1])] * 2 + [planted([0.1, -0.1], factor=0.64)], "not evenly spaced in time"),
        ([planted([0.1, 0, 0, 0, -0.1], levels=5)] * 3, "6 steps of all runs are too few for a map of 4 coordinates"),
        ([planted([0.1, -0.1], levels=3)] * 3, "a window from level 2 on wants at least 5"),
    ],
)
def test_trajectories_that_have_no_map_in_words(flows, said):
    found = trajectory_operator(flows)
    assert found.matrix is None
    assert said in found.refusals[-1]


def test_deviations_between_runs_at_one_level():
    random = np.random.default_rng(2)
    matrix = turned(TRUE[:2], random)
    flows = runs_of(matrix, random.standard_normal((12, 2)), random=random, levels=3)
    found = ensemble_operator(flows, 0)
    assert_allclose(found.matrix, matrix, atol=1e-9)
    assert found.refusals == ("noise of training is not taken off: eigenvalues are drawn towards 0",)


def test_noise_draws_eigenvalues_of_deviations_down_unless_it_is_taken_off():
    random = np.random.default_rng(3)
    matrix, noise = turned([1.1, 0.8], random), 0.7
    flows = runs_of(matrix, random.standard_normal((2000, 2)), random=random, levels=3, noise=noise)
    plain = ensemble_operator(flows, 0, spectrum=QUICK)
    taken_off = ensemble_operator(flows, 0, noise=noise**2 * np.eye(2), spectrum=QUICK)
    assert_allclose(plain.eigenvalues.real, np.array([1.1, 0.8]) / (1 + noise**2), atol=0.06)
    assert_allclose(taken_off.eigenvalues.real, [1.1, 0.8], atol=0.08)
    assert taken_off.refusals == ()


def test_deviations_that_have_no_map_in_words():
    random = np.random.default_rng(4)
    few = runs_of(turned(TRUE, random), random.standard_normal((8, 4)), random=random)
    assert ensemble_operator(few, 0).refusals == ("a covariance of 4 coordinates wants at least 12 runs, there are 8",)
    alike = [planted([0.1, -0.1])] * 5
    assert "runs are too alike" in ensemble_operator(alike, 0).refusals[0]
    other = ensemble_operator([*alike, planted([0.1, -0.1], factor=0.5)], 2)
    assert other.refusals == ("the runs have different densities at the level",)
    with pytest.raises(ValueError, match="no levels 12 and 13"):
        ensemble_operator(alike, 12)


def level(seed=0):
    """Masks of a level of `Groups`, and scores of all weights."""
    generator = torch.Generator().manual_seed(seed)
    scores = {name: torch.rand(100, 100, generator=generator) for name in "abc"}
    kept = {"a": 0.4, "b": 0.5, "c": 0.45}
    return {name: score > 1 - kept[name] for name, score in scores.items()}, scores


def test_moves_by_hand():
    masks = {"a": torch.tensor([True, True, False, False]), "b": torch.tensor([True, True, False])}
    scores = {"a": torch.tensor([4.0, 3.0, 2.0, 1.0]), "b": torch.tensor([9.0, 0.5, 0.1])}
    moves = moved_masks(masks, scores, fraction=0.5)
    assert moves.moved == ("a", "b")
    assert moves.amounts == (1, 1)
    gained, lost = moves.masks[0]
    assert {name: mask.tolist() for name, mask in gained.items()} == {
        "a": [True, True, True, False],
        "b": [True, False, False],
    }
    assert {name: mask.tolist() for name, mask in lost.items()} == {
        "a": [True, False, False, False],
        "b": [True, True, True],
    }


def test_moves_keep_the_total_and_move_what_was_asked_for():
    masks, scores = level()
    moves = moved_masks(masks, scores, fraction=0.1)
    assert moves.refusals == ()
    for name, amount, pair in zip(moves.moved, moves.amounts, moves.masks, strict=True):
        assert amount == round(0.1 * int(masks[name].sum()))
        assert [count(one) for one in pair] == [count(masks)] * 2
        assert [int(one[name].sum()) - int(masks[name].sum()) for one in pair] == [amount, -amount]


def test_a_group_without_pruned_weights_is_said():
    masks = {"a": torch.ones(50, dtype=torch.bool), "b": torch.arange(100) < 40, "c": torch.arange(100) < 50}
    moves = moved_masks(masks, {name: torch.rand(mask.shape) for name, mask in masks.items()}, fraction=0.1)
    assert moves.moved == ("b", "c")
    assert moves.refusals == ("'a' could be moved by 0 weights only, not by 5",)


def test_last_magnitudes_are_those_of_the_last_training():
    levels = [
        ({"w": torch.tensor([1.0, -2.0, 3.0])}, {"w": torch.tensor([True, True, True])}),
        ({"w": torch.tensor([0.0, -5.0, 4.0])}, {"w": torch.tensor([False, True, True])}),
        ({"w": torch.tensor([0.0, 0.0, 6.0])}, {"w": torch.tensor([False, False, True])}),
    ]
    assert last_magnitudes(levels)["w"].tolist() == [1.0, 5.0, 6.0]


def planted_map(eigenvalues, seed=0):
    """A map of logarithms of counts, and what it does to log-ratios."""
    basis = log_ratio_basis(3)
    inner = turned(np.array(eigenvalues), np.random.default_rng(seed))
    return tuple(map(tuple, (basis @ inner @ basis.T).tolist())), inner


def backwards(task, blocks, workers):
    """An engine that does the last block first, in pickled form."""
    task = pickle.loads(pickle.dumps(task))
    for number in reversed(range(len(blocks))):
        yield number, task(blocks[number], workers)


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("eigenvalues", [(1.2, 0.6), (0.9, 0.5)])
def test_interventions_find_a_planted_map(eigenvalues, noise):
    """Through masks, training and pruning: within 5 %, for common noise is the same on both sides."""
    jacobian, inner = planted_map(eigenvalues)
    masks, scores = level()
    moves = moved_masks(masks, scores, fraction=0.05)
    step = ImpStep(Groups(), PlantedTraining(jacobian, noise=noise), round(0.6 * count(masks)), 0, 1)
    found = intervention_operator(responses(step, moves), spectrum=QUICK)
    assert_allclose(found.eigenvalues.real, eigenvalues, rtol=0.05)
    assert_allclose(found.matrix, inner, atol=0.05 * np.abs(inner).max())
    assert found.step == pytest.approx(-np.log(0.6), rel=1e-3)
    assert found.labels[1] == "irrelevant"
    assert found.labels[0] == ("relevant" if eigenvalues[0] > 1 else "irrelevant")


def test_no_answer_depends_on_the_engine_and_the_model_stays():
    jacobian, _ = planted_map((0.9, 0.5))
    masks, scores = level()
    moves, net, done = moved_masks(masks, scores), Groups(), []
    step = ImpStep(net, PlantedTraining(jacobian, noise=0.02), round(0.6 * count(masks)), 0, 1)
    here = responses(step, moves, repeats=2, seed=3, workers=Workers(progress=done.append))
    there = responses(step, moves, repeats=2, seed=3, workers=Workers(engine=backwards))
    assert np.array_equal(here.before, there.before)
    assert np.array_equal(here.after, there.after)
    assert here.before.shape == (2, 3, 2, 3)
    assert sum(done) == 12
    assert not np.array_equal(here.after, responses(step, moves, repeats=2, seed=4).after)
    assert all(bool((value == 1).all()) for value in net.parameters())


def synthetic(jacobian, repeats, noise, random):
    """Responses of logarithms that follow a map, with noise of each arm."""
    moves = 0.05 * np.eye(3)
    before = np.stack([moves, -moves], axis=1)[None].repeat(repeats, axis=0)
    after = before @ np.array(jacobian).T
    return [np.exp(side + noise * random.standard_normal(side.shape)) for side in (before, after)]


def test_noise_of_each_arm_widens_the_intervals():
    jacobian, _ = planted_map((1.2, 0.6))
    widths = []
    for noise in (1e-4, 1e-2):
        before, after = synthetic(jacobian, 8, noise, np.random.default_rng(0))
        found = intervention_operator(Responses(("a", "b", "c"), ("a", "b", "c"), before, after, 0.2, ()))
        widths.append(found.high - found.low)
        assert (found.low - 1e-12 <= np.abs(found.eigenvalues)).all()
        assert (np.abs(found.eigenvalues) <= found.high + 1e-12).all()
    assert (widths[1] > 20 * widths[0]).all()


def test_interventions_that_have_no_map_in_words():
    random, names = np.random.default_rng(5), ("a", "b", "c")
    before, after = synthetic(planted_map((1.2, 0.6))[0], 3, 1e-4, random)
    few = Responses(names, ("a",), before[:, :1], after[:, :1], 0.2, ())
    assert intervention_operator(few).refusals == ("1 moves do not span the 2 directions of 3 groups",)
    alike = Responses(names, names, before[:, [0, 0, 0]], after[:, [0, 0, 0]], 0.2, ())
    assert "they are too alike" in intervention_operator(alike).refusals[0]
    dead = after.copy()
    dead[0, 0, 0, 0] = 0
    assert "lost all weights" in intervention_operator(Responses(names, names, before, dead, 0.2, ())).refusals[0]
    three = intervention_operator(Responses(names, names, before, after, 0.2, ()))
    assert three.refusals == ("intervals from 3 noises say little; take 5 or more",)
    one = intervention_operator(Responses(names, names, before[:1], after[:1], 0.2, ()))
    assert (one.low, one.exponents_high, one.labels) == (None, None, ("undetermined",) * 2)
    assert one.exponents is not None


def test_senseless_arguments():
    masks, scores = level()
    moves = moved_masks(masks, scores)
    step = partial(ImpStep, Groups(), PlantedTraining(planted_map((0.9, 0.5))[0]), start=0, stop=1)
    with pytest.raises(ValueError, match="keeps fewer weights than"):
        responses(step(kept=count(masks)), moves)
    with pytest.raises(ValueError, match="at least one repeat"):
        responses(step(kept=100), moves, repeats=0)
    with pytest.raises(ValueError, match="fraction is of a group's"):
        moved_masks(masks, scores, fraction=1.0)
    with pytest.raises(ValueError, match="no scores of the shape of 'a'"):
        moved_masks(masks, {})
    with pytest.raises(ValueError, match="100 resamples or more"):
        Spectrum(resamples=1)
