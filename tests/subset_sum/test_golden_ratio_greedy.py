import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from tombola.subset_sum import golden_bins, golden_ratio_greedy

PHI = (1 + 5**0.5) / 2


def one_per_bin(random: np.random.Generator, m: int, bins: int) -> np.ndarray:
    """Pools with one number in each of the bins (phi^-(i+1), phi^-i], anywhere in them."""
    return PHI ** -(np.arange(bins) + random.uniform(0, 1, (m, bins)))


def test_by_hand():
    pool = np.array([0.9, -0.8, 0.95, 0.5, 0.45, 0.3])
    # The bin (.618, 1] gives .9, not .95; (.382, .618] gives .5, not .45; (.236, .382] gives .3; only -.8 is negative.
    # The walk starts at (.618, 1] for targets above 1, at (.382, .618] above .618, at (.236, .382] above .382.
    targets = np.array([1.45, 0.85, 0.52, -1.2, -0.7, 0.01])
    found = golden_ratio_greedy(pool, targets, epsilon=0.06)
    chosen = [np.flatnonzero(row).tolist() for row in found.selection]
    assert chosen == [[0, 3], [3, 5], [5], [1], [], []]
    assert_allclose(found.error, [0.05, 0.05, 0.22, 0.4, 0.7, 0.01], atol=1e-12)
    assert_array_equal(found.met, [True, True, False, False, False, True])
    assert not found.proved.any()


@pytest.mark.parametrize(("epsilon", "bins"), [(0.1, 6), (0.01, 11), (0.001, 16), (1e-4, 21)])
def test_one_candidate_in_each_of_k_bins_reaches_every_target(epsilon, bins):
    # [Orseau2020]: k = ceil(1 + log_phi(1 / epsilon)), wherever in its bin a candidate lies; targets up to phi.
    assert golden_bins(PHI, epsilon) == bins
    random = np.random.default_rng(bins)
    pools, targets = one_per_bin(random, 20_000, bins), random.uniform(0, PHI, 20_000)
    found = golden_ratio_greedy(pools, targets, epsilon=epsilon)
    assert found.met.all()
    left = golden_ratio_greedy(pools, targets, epsilon=0.0)
    assert left.error.max() <= PHI ** (1 - bins) <= epsilon
    assert 0.8 * PHI ** (1 - bins) < left.error.max()


def test_one_bin_less_is_not_enough():
    random = np.random.default_rng(0)
    pools, targets = one_per_bin(random, 20_000, 10), random.uniform(0, PHI, 20_000)
    assert golden_ratio_greedy(pools, targets, epsilon=0.01).failures > 0


def test_an_empty_bin_is_stepped_over():
    pool = PHI ** -np.arange(12.0) * 0.9
    gap = np.delete(pool, 3)
    targets = np.linspace(0.3, 1.5, 200)
    assert golden_ratio_greedy(pool, targets, epsilon=0.01).failures == 0
    assert 0 < golden_ratio_greedy(gap, targets, epsilon=0.01).failures < 200


@pytest.mark.parametrize(("bins", "median"), [(11, 31), (16, 50), (21, 72)])
def test_log_uniform_samples_fill_all_bins_within_the_coupon_collector_bound(bins, median):
    # Samples until the greedy has what it needs, at most k ln(k / 0.01) in 99 of 100 cases; phi^-k is its tolerance.
    random = np.random.default_rng(bins)
    bound = int(np.ceil(bins * np.log(bins / 0.01)))
    samples = PHI ** -random.uniform(0, bins, (4000, bound))
    filled = np.sort(np.floor(-np.log(samples) / np.log(PHI)).astype(int), axis=1)
    assert np.mean((np.diff(filled, axis=1) > 0).sum(axis=1) == bins - 1) >= 0.99 - 0.005
    targets = random.uniform(0, PHI, 4000)
    epsilon = PHI ** (1 - bins)
    assert golden_ratio_greedy(samples, targets, epsilon=epsilon).met.mean() >= 0.99 - 0.005
    assert 1 - golden_ratio_greedy(samples[:, : median // 2], targets, epsilon=epsilon).met.mean() > 0.02


def test_uniform_pools_are_no_good():
    # The law of the candidates is essential: uniform ones leave the small bins empty.
    random = np.random.default_rng(0)
    targets = random.uniform(0, PHI, 2000)
    uniform = golden_ratio_greedy(random.uniform(0, 1, (2000, 119)), targets, epsilon=1e-4)
    logarithmic = golden_ratio_greedy(PHI ** -random.uniform(0, 21, (2000, 161)), targets, epsilon=1e-4)
    assert uniform.met.mean() < 0.5 < 0.98 < logarithmic.met.mean()


def test_scaling_by_the_golden_ratio_scales_the_answer():
    random = np.random.default_rng(1)
    pools, targets = one_per_bin(random, 200, 12), random.uniform(-PHI, PHI, 200)
    small = golden_ratio_greedy(pools, targets, epsilon=0.01)
    large = golden_ratio_greedy(pools * PHI**7, targets * PHI**7, epsilon=0.01 * PHI**7)
    assert_array_equal(small.selection, large.selection)


def test_a_shared_pool_is_one_pool_for_each_target():
    random = np.random.default_rng(2)
    pool, targets = one_per_bin(random, 1, 12), random.uniform(0, PHI, 50)
    shared = golden_ratio_greedy(pool[0], targets, epsilon=0.01)
    private = golden_ratio_greedy(np.tile(pool, (50, 1)), targets, epsilon=0.01)
    assert_array_equal(shared.selection, private.selection)


def test_tensors_have_the_same_answer():
    random = np.random.default_rng(3)
    pools, targets = one_per_bin(random, 50, 12), random.uniform(0, PHI, 50)
    found = golden_ratio_greedy(torch.from_numpy(pools), torch.from_numpy(targets), epsilon=0.01)
    assert found.selection.dtype == torch.bool
    assert_array_equal(found.selection.numpy(), golden_ratio_greedy(pools, targets, epsilon=0.01).selection)


@pytest.mark.parametrize(
    ("candidates", "targets", "epsilon", "message"),
    [
        ([[1.0, np.nan]], [0.5], 0.1, "candidates must be finite"),
        ([[1.0, 2.0]], [np.inf], 0.1, "targets must be finite"),
        ([[1.0, 2.0]], [0.5], -0.1, "epsilon"),
        ([[1.0, 2.0]] * 3, [0.5, 0.5], 0.1, "3 pools"),
    ],
)
def test_bad_input_is_refused(candidates, targets, epsilon, message):
    with pytest.raises(ValueError, match=message):
        golden_ratio_greedy(np.array(candidates), np.array(targets), epsilon=epsilon)


@pytest.mark.parametrize(("largest", "epsilon"), [(0.0, 0.1), (1.0, 0.0), (1.0, float("nan"))])
def test_bins_of_nothing_are_refused(largest, epsilon):
    with pytest.raises(ValueError, match="must be positive"):
        golden_bins(largest, epsilon)
