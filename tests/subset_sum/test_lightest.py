import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from tests.problems.subset_sums import planted, super_increasing

from tombola.subset_sum import lightest, nearest, sparsest


def weights(pools, found):
    return np.abs(pools * found.selection).sum(1)


def test_by_hand():
    pool = np.array([0.9, -0.4, 0.2, 0.28, 0.06])
    found = lightest(pool, np.array([0.5, 0.02, 0.9, 3.0]), epsilon=0.05)
    chosen = [np.flatnonzero(row).tolist() for row in found.selection]
    # .2 + .28 weighs .48 and .9 - .4 weighs 1.3; nothing weighs nothing; only .9 is near .9; all above 0
    assert chosen == [[2, 3], [], [0], [0, 2, 3, 4]]
    assert_array_equal(found.met, [True, True, True, False])


def test_a_heavier_subset_of_fewer_candidates_is_not_chosen():
    pool, target = np.array([1.0, 0.05, 0.05, 0.05, 0.05, -0.8]), np.array([0.2])
    assert_array_equal(sparsest(pool, target, epsilon=0.001).size, [2])
    assert_array_equal(lightest(pool, target, epsilon=0.001).selection, [[0, 1, 1, 1, 1, 0]])


def test_weights_are_between_the_target_and_those_of_the_sparsest():
    candidates, targets, _ = planted(300, 20, 3, noise=0.02, seed=1)
    light, sparse = (solver(candidates, targets, epsilon=0.01) for solver in (lightest, sparsest))
    assert light.failures == 0
    assert (weights(candidates, light) >= np.abs(targets) - 0.01).all()
    assert (weights(candidates, light) <= weights(candidates, sparse)).all()
    assert (weights(candidates, light) < weights(candidates, sparse)).mean() > 0.5


def test_subsets_with_one_answer_are_found():
    candidates, targets, selection = super_increasing(20, 18, seed=2)
    assert_array_equal(lightest(candidates, targets, epsilon=0.4).selection, selection)


def test_where_nothing_is_within_epsilon_the_nearest_subset_is_returned():
    candidates, targets, _ = planted(200, 9, 4, noise=0.05, seed=2)
    found, best = lightest(candidates, targets, epsilon=1e-5), nearest(candidates, targets)
    assert (~found.met).sum() > 100
    assert_allclose(found.error[~found.met], best.error[~found.met], rtol=0, atol=1e-12)
