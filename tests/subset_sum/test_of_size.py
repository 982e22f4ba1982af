from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from tests.problems.subset_sums import planted

from tombola.subset_sum import fixed_size_median_error, of_size


def best_error(pool: np.ndarray, target: float, size: int) -> float:
    """The smallest error of all subsets of a size, one by one."""
    return min(abs(target - sum(subset)) for subset in combinations(pool.tolist(), size))


def test_by_hand():
    pool, targets = np.array([0.5, -0.3, 0.21, 0.4]), np.array([0.4, 0.0])
    # Of one: .4 and .21. Of two: .21 + .4 - .4 = .21 beats .2 - .4; .21 - .3. Of three: .41; .31.
    expected = {1: [[3], [2]], 2: [[0, 1], [1, 2]], 3: [[0, 1, 2], [1, 2, 3]], 4: [[0, 1, 2, 3]] * 2}
    for size, subsets in expected.items():
        found = of_size(pool, targets, size=size, epsilon=0.1)
        chosen = [np.flatnonzero(row).tolist() for row in found.selection]
        errors = [min(abs(t - sum(c)) for c in combinations(pool, size)) for t in targets]
        assert_allclose(found.error, errors, atol=1e-12)
        assert chosen[0] == subsets[0] or size == 2
        assert chosen[1] == subsets[1]


@pytest.mark.parametrize("n", [1, 2, 5, 9, 12])
@pytest.mark.parametrize("size", range(1, 7))
def test_no_subset_of_that_size_is_nearer(n, size):
    random = np.random.default_rng(10 * n + size)
    pools, targets = random.uniform(-1, 1, (15, n)), random.uniform(-2, 2, 15)
    found = of_size(pools, targets, size=size, epsilon=0.05)
    assert_array_equal(found.size, min(size, n))
    for row in range(15):
        assert_allclose(found.error[row], best_error(pools[row], targets[row], min(size, n)), atol=1e-12)
    assert_array_equal(found.met, found.error <= 0.05)
    assert found.proved.all()


@pytest.mark.parametrize(("n", "size"), [(600, 2), (120, 3), (40, 5), (2046, 1)])
def test_planted_subsets_of_large_pools_are_found(n, size):
    candidates, targets, selection = planted(3, n, size, seed=size)
    found = of_size(candidates, targets, size=size)
    assert found.error.max() < 1e-14
    if n <= 40:
        assert_array_equal(found.selection, selection)


def test_median_error_is_that_of_the_law():
    # [Natale2024]: C(n, k) sums, 20 % as the law says of itself.
    random = np.random.default_rng(0)
    for n, size in ((20, 2), (20, 3), (16, 4)):
        found = of_size(random.uniform(-1, 1, (3000, n)), random.uniform(-1, 1, 3000), size=size)
        assert np.median(found.error) == pytest.approx(fixed_size_median_error(n, size), rel=0.2)


def test_shared_pools_and_tensors_have_the_same_answer():
    random = np.random.default_rng(1)
    pool, targets = random.uniform(-1, 1, 20), random.uniform(-1, 1, 30)
    private = of_size(np.tile(pool, (30, 1)), targets, size=3)
    assert_array_equal(of_size(pool, targets, size=3).selection, private.selection)
    tensors = of_size(torch.from_numpy(pool), torch.from_numpy(targets), size=3)
    assert_array_equal(tensors.selection.numpy(), private.selection)


def test_zero_candidates_count_but_are_not_selected():
    found = of_size(np.array([0.0, 0.5, 0.0]), np.array([0.5]), size=2)
    assert found.selection.tolist() == [[False, True, False]]


@pytest.mark.parametrize("size", [0, 7])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(ValueError, match=f"size must be from 1 to 6, got {size}"):
        of_size(np.ones((1, 8)), np.ones(1), size=size)


def test_pools_that_would_not_fit_are_refused():
    with pytest.raises(ValueError, match="split the pools or take a smaller size"):
        of_size(np.ones((1, 300)), np.ones(1), size=6)
    with pytest.raises(ValueError, match="at most 2046"):
        of_size(np.ones((1, 2047)), np.ones(1), size=1)


def test_numbers_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="candidates must be finite"):
        of_size(np.array([[np.nan, 1.0]]), np.ones(1), size=1)
