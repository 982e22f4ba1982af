from itertools import combinations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from tests.problems.subset_sums import planted, super_increasing

from tombola.subset_sum import nearest, sparsest


def test_by_hand():
    pool = np.array([0.5, -0.3, 0.21, 0.4, 0.0])
    targets = np.array([0.0, 0.4, 0.7, 0.19, 0.111, 2.0, -2.0])
    found = sparsest(pool, targets, epsilon=0.012)
    chosen = [np.flatnonzero(row).tolist() for row in found.selection]
    #          nothing  one   .5 + .21  .5 - .3  .4 - .3  all above 0  all below 0
    assert chosen == [[], [3], [0, 2], [0, 1], [1, 3], [0, 2, 3], [1]]
    assert_array_equal(found.met, [True] * 5 + [False] * 2)
    assert_allclose(found.error, [0, 0, 0.01, 0.01, 0.011, 0.89, 1.7], atol=1e-12)
    assert_array_equal(found.size, [0, 1, 2, 2, 2, 3, 1])
    assert found.failures == 2
    assert len(found) == 7
    assert found.proved.all()


def test_of_equally_many_candidates_the_nearest_are_chosen():
    found = sparsest(np.array([0.3, 0.295, 0.31, 0.6]), np.array([0.297]), epsilon=0.02)
    assert_array_equal(found.selection, [[False, True, False, False]])


def test_the_tolerance_is_kept_to_the_last_bit():
    """Sums that are exact in float64 lie exactly at the tolerance; one ulp less and they are outside."""
    pool, target = np.array([0.25, 0.125, 4.0]), np.array([0.5])
    assert_array_equal(sparsest(pool, target, epsilon=0.125).size, [2])
    assert_array_equal(sparsest(pool, target, epsilon=0.25).size, [1])
    assert_array_equal(sparsest(pool, target, epsilon=np.nextafter(0.25, 0)).size, [2])
    assert sparsest(pool, target, epsilon=np.nextafter(0.125, 0)).failures == 1


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8])
def test_planted_subsets_are_found(size):
    """The tolerance is so small that (almost) no smaller subset is within it by chance."""
    candidates, targets, selection = planted(70, 16, size, noise=1e-9, seed=size)
    found = sparsest(candidates, targets, epsilon=2e-9)
    assert found.failures == 0
    assert (found.size <= size).all()
    assert (found.selection == selection).all(1).mean() > 0.95


def test_large_subsets_are_found_among_many_candidates():
    """Nine of 26: beyond the sizes that are enumerated, so the halves are searched by size."""
    candidates, targets, _ = planted(3, 26, 9, seed=1)
    found = sparsest(candidates, targets, epsilon=1e-12)
    assert found.failures == 0
    assert (found.size <= 9).all()
    assert found.proved.all()


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["arrays", "tensors"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("size", [5, 6, 7, 8, 9])
def test_fewer_candidates_win_over_a_smaller_error(kind, backwards, size):
    """Nine ones are 9 exactly; `size` larger numbers, all in one half of the pool, are 8.96; fewer reach neither."""
    larger = np.where(np.arange(9) < size, 8.96 / size, 100.0)
    pool = np.concatenate([larger, np.ones(9)])[:: -1 if backwards else 1].copy()
    found = sparsest(kind(pool), kind(np.array([9.0])), epsilon=0.05)
    assert_array_equal(found.size, [size])
    assert_array_equal(nearest(pool, np.array([9.0])).size, [9])


def test_subsets_with_one_answer_are_found():
    candidates, targets, selection = super_increasing(70, 20, seed=3)
    assert_array_equal(sparsest(candidates, targets, epsilon=0.4).selection, selection)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["arrays", "tensors"])
def test_large_pools_are_exact_for_few_candidates_and_say_where_they_are_not(kind):
    candidates, targets, _ = planted(4, 64, 3, seed=1)
    positive = np.maximum(candidates, 0).sum(1)
    targets[1:3] = 0.9 * positive[1:3]  # takes some twenty candidates
    targets[3] = positive[3] + 0.1  # out of reach: all positive candidates are the best there is
    found = sparsest(kind(candidates), kind(targets), epsilon=1e-5)
    assert_array_equal(found.proved, [True, False, False, True])
    assert_array_equal(found.met, [True, True, True, False])
    assert found.size[0] <= 3
    assert_array_equal(found.selection[3], candidates[3] > 0)


def test_no_target_and_no_candidate():
    assert sparsest(np.ones((0, 5)), np.ones(0), epsilon=0.1).selection.shape == (0, 5)
    assert sparsest(np.ones(5), np.ones(0), epsilon=0.1).selection.shape == (0, 5)
    found = sparsest(np.ones((2, 0)), np.array([0.0, 1.0]), epsilon=0.1)
    assert_array_equal(found.met, [True, False])


def test_where_nothing_is_within_epsilon_the_nearest_subset_is_returned():
    candidates, targets, _ = planted(200, 9, 4, noise=0.05, seed=2)
    found, best = sparsest(candidates, targets, epsilon=1e-5), nearest(candidates, targets)
    missed = ~found.met
    assert missed.sum() > 100
    assert_allclose(found.error[missed], best.error[missed], rtol=0, atol=1e-12)


def published(product):
    """20,000 pools of 15 and targets, laws as in the published statistics."""
    random = np.random.default_rng(7)
    pools = random.uniform(-1, 1, (20_000, 15)) * (random.uniform(-1, 1, (20_000, 15)) if product else 1)
    return pools, random.uniform(-1, 1, 20_000)


def first_within(pools, targets, epsilon, largest=4):
    """Error and size of the first subset within epsilon by growing size, as the published solver goes; nan if none."""
    error, size = np.full(len(targets), np.nan), np.full(len(targets), -1)
    for k in range(largest + 1):
        subsets = np.array(list(combinations(range(pools.shape[1]), k)), dtype=int)
        for row in np.flatnonzero(size < 0):
            gaps = np.abs(targets[row] - pools[row][subsets].sum(1))
            if (gaps <= epsilon).any():
                error[row], size[row] = gaps[np.argmax(gaps <= epsilon)], k
    return error, size


def test_uniform_pools_fail_as_often_as_published():
    """Published for 100,000 pools: .404 % failures and 2.292 elements; 20,000 have +-.045 % (1 sd)."""
    found = sparsest(*published(product=False), epsilon=0.01)
    assert 0.003 <= found.failures / 20_000 <= 0.005
    assert 2.25 <= found.size[found.met].mean() <= 2.35


def test_pools_of_products_fail_as_often_as_published():
    """Published for 100,000 pools: 3.552 % failures and 2.373 elements; 20,000 have +-.13 % (1 sd)."""
    found = sparsest(*published(product=True), epsilon=0.01)
    assert 0.033 <= found.failures / 20_000 <= 0.038
    assert 2.3 <= found.size[found.met].mean() <= 2.45


def test_errors_are_below_the_published_ones_as_the_best_of_a_size_is_chosen():
    """The published solver stops at the first subset: errors uniform below epsilon, .00500 on average for 100,000."""
    pools, targets = published(product=False)
    error, size = first_within(pools, targets, 0.01)
    solved = size >= 0
    assert_allclose(error[solved].mean(), 0.005, atol=0.0001)
    found = sparsest(pools, targets, epsilon=0.01)
    assert_array_equal(found.size[solved], size[solved])
    assert (found.error[solved] <= error[solved]).all()
    assert_allclose(found.error[solved].mean(), 0.0038, atol=0.0001)
