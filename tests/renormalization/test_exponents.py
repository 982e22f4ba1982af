"""Drifts of groups: values, intervals, labels, refusals."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import t
from tests.problems.flows import of_counts, planted

from tombola.renormalization import drift, end_to_end, slope, window_of
from tombola.renormalization._ellipsoid import ellipsoid
from tombola.renormalization._intervals import student

TRUE = np.array([0.3, -0.5, 0.2])
LEVELS, STEP = 12, -np.log(0.8)


def noisy(count, **settings):
    return [planted(TRUE, random=np.random.default_rng(seed), **settings) for seed in range(count)]


@pytest.mark.parametrize("estimator", [slope, end_to_end])
@pytest.mark.parametrize("factor", [0.5, 0.8])
def test_planted_rates_are_found_whatever_the_schedule(estimator, factor):
    found = drift([planted(TRUE, factor=factor)] * 2, estimator=estimator)
    assert_allclose(found.value, TRUE, atol=1e-9)
    assert_allclose(found.value.sum(), 0, atol=1e-12)
    assert found.labels == ("relevant", "irrelevant", "relevant")
    assert_allclose(found.share_change[0] - found.share_change[1], 0.8 * np.diff(found.window.times)[0], rtol=1e-9)


def test_rates_of_runs_with_different_schedules_agree():
    found = drift([planted(TRUE, factor=0.64, levels=6), planted(TRUE, factor=0.8, levels=13)])
    assert_allclose(found.runs, [TRUE, TRUE], atol=1e-9)
    assert any("different schedules" in line for line in found.refusals)


def test_intervals_are_those_of_student_over_seeds():
    found = drift(noisy(6, noise=0.05))
    reach = t.ppf(0.975, 5) * found.runs.std(axis=0, ddof=1) / 6**0.5
    assert_allclose(found.low, found.value - reach, rtol=1e-12)
    assert_allclose(found.high, found.value + reach, rtol=1e-12)
    assert_allclose(found.runs.sum(axis=1), 0, atol=1e-12)


def test_a_positive_drift_may_lose_share():
    """A group that decays more slowly than the geometric mean, while another one takes over."""
    found = drift([planted([0.5, 0.1, -0.6])] * 2)
    assert found.labels[1] == "relevant"
    assert found.share_change[1] < 0


def test_marginal_and_undetermined():
    assert drift([planted([0.01, -0.01])] * 2).labels == ("marginal", "marginal")
    wide = [planted([rate, -rate]) for rate in (-0.2, 0.3)]
    assert drift(wide).labels == ("undetermined", "undetermined")


def walks(seeds, simulations, random):
    """`(levels, simulations, seeds)` coordinates that are sums of independent increments of mean 0."""
    return random.standard_normal((LEVELS, simulations, seeds)).cumsum(axis=0)


@pytest.mark.parametrize("estimator", [slope, end_to_end])
@pytest.mark.parametrize("seeds", [5, 8])
@pytest.mark.parametrize("cumulative", [True, False])
def test_intervals_cover_as_they_say(estimator, seeds, cumulative):
    """95 % intervals over 4000 simulated sets of seeds, for increments that add up and for noise of levels."""
    random = np.random.default_rng(seeds)
    values = walks(seeds, 4000, random) if cumulative else random.standard_normal((LEVELS, 4000, seeds))
    low, high = student(estimator(STEP * np.arange(LEVELS), values).T)
    assert 0.94 < ((low <= 0) & (high >= 0)).mean() < 0.96


def test_fitting_all_levels_at_once_would_cover_far_too_little():
    """Least squares with independent errors over levels of all seeds, one intercept for each seed."""
    seeds, simulations = 8, 2000
    values = walks(seeds, simulations, np.random.default_rng(1))
    time = STEP * (np.arange(LEVELS) - (LEVELS - 1) / 2)
    centred = values - values.mean(axis=0)
    pooled = np.tensordot(time, centred, 1).mean(axis=-1) / (time @ time)
    residuals = centred - time[:, None, None] * pooled[:, None]
    freedom = seeds * LEVELS - seeds - 1
    error = np.sqrt((residuals**2).sum(axis=(0, 2)) / freedom / (seeds * time @ time))
    assert (np.abs(pooled) <= t.ppf(0.975, freedom) * error).mean() < 0.8


@pytest.mark.parametrize(("seeds", "groups", "shrinkage"), [(10, 3, 0.0), (5, 4, 0.2)])
def test_the_joint_region_covers_as_it_says(seeds, groups, shrinkage):
    random, hits = np.random.default_rng(2), []
    for simulation in range(400):
        runs = random.standard_normal((seeds, groups))
        region = ellipsoid(runs - runs.mean(axis=1, keepdims=True), seed=simulation)
        assert region.shrinkage == shrinkage
        hits.append(region.contains(np.zeros(groups)))
    assert 0.91 < np.mean(hits) < 0.98


def test_one_seed_has_values_but_no_intervals():
    found = drift([planted(TRUE)])
    assert_allclose(found.value, TRUE, atol=1e-9)
    assert (found.low, found.high, found.region) == (None, None, None)
    assert found.labels == ("undetermined",) * 3
    assert "one seed only: no intervals, and no labels" in found.refusals
    assert found.to_json()["g0"]["low"] is None


def test_other_groups_give_no_exponents():
    found = drift([planted([0, 0]), planted([0, 0, 0])])
    assert found.value is None
    assert found.to_json() == {}
    assert found.refusals == ("run 1 has the groups g0, g1, g2, run 0 has g0, g1",)


def test_a_group_that_is_left_out_is_said():
    counts = (1000 * 0.8 ** np.arange(8)[:, None] * np.array([1, 0.06, 1])).astype(int)
    found = drift([of_counts(counts)] * 2)
    assert found.groups == ("g0", "g2")
    assert any("left out" in line for line in found.refusals)


def test_an_observable_that_vanishes_is_said():
    found = drift([planted(TRUE)] * 2, observable=lambda flow: flow.magnitudes * (flow.counts > flow.counts[6]))
    assert found.value is None
    assert found.refusals[-1] == "a group has no positive value at a level of the window"


def test_a_window_of_other_runs():
    with pytest.raises(ValueError, match="of 3 runs, but there are 2"):
        drift(noisy(2), window=window_of(noisy(3)))
