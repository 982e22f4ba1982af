import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from tests.problems.subset_sums import every_subset, ordered_sum, planted, super_increasing


def test_planted_targets_are_sums_of_the_planted_size_up_to_the_noise():
    candidates, targets, selection = planted(50, 12, 3, noise=0.01, seed=1)
    assert_array_equal(selection.sum(1), 3)
    error = np.abs((candidates * selection).sum(1) - targets)
    assert error.max() <= 0.01
    assert error.max() > 0.005


def test_super_increasing_sums_are_at_least_one_apart():
    candidates, targets, selection = super_increasing(3, 8, seed=1)
    for pool, target, chosen in zip(candidates, targets, selection, strict=True):
        sums = ordered_sum(pool, every_subset(8))
        assert np.diff(np.sort(sums)).min() >= 1
        assert_allclose(ordered_sum(pool, chosen[None]), target)


def test_every_subset_is_listed_once():
    assert_array_equal(every_subset(2), [[False, False], [True, False], [False, True], [True, True]])
    assert len(np.unique(every_subset(6), axis=0)) == 64
