import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from tests.problems.subset_sums import planted, super_increasing

from tombola.subset_sum import nearest


def test_by_hand():
    pool = np.array([0.5, -0.3, 0.21, 0.4])
    targets = np.array([0.0, 0.12, 0.2, 0.31, 0.45, 5.0, -5.0])
    found = nearest(pool, targets, epsilon=0.0125)
    chosen = [np.flatnonzero(row).tolist() for row in found.selection]
    # t = .45 lies between .41 = .5 + .21 - .3 and .5; 5 and -5 are out of reach of all candidates of one sign
    assert chosen[:4] == [[], [1, 3], [0, 1], [1, 2, 3]]
    assert_allclose(found.value[4], 0.41)
    assert chosen[5:] == [[0, 2, 3], [1]]
    assert_allclose(found.error, [0, 0.02, 0, 0, 0.04, 3.89, 4.7], atol=1e-12)
    assert_array_equal(found.met, [True, False, True, True, False, False, False])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 21, 30])
def test_subsets_with_one_answer_are_found(n):
    candidates, targets, selection = super_increasing(20, n, seed=n)
    noise = np.random.default_rng(n).uniform(-0.4, 0.4, 20)
    assert_array_equal(nearest(candidates, targets + noise).selection, selection)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy], ids=["arrays", "tensors"])
def test_a_planted_subset_of_forty_is_found_to_the_last_digits(kind):
    candidates, targets, _ = planted(1, 40, 20, seed=4)
    assert nearest(kind(candidates), kind(targets)).error[0] < 1e-14


def test_float32_candidates_are_taken_exactly():
    """Sums are not rounded to float32 on the way: the best of 2^26 is far below float32's resolution."""
    random = np.random.default_rng(5)
    candidates = random.uniform(-1, 1, (4, 26)).astype(np.float32)
    targets = random.uniform(-1, 1, 4).astype(np.float32)
    single, double = nearest(candidates, targets), nearest(candidates.astype(float), targets.astype(float))
    assert_array_equal(single.selection, double.selection)
    assert single.error.max() < 3e-7


def test_epsilon_changes_only_what_counts_as_met():
    candidates, targets, _ = planted(50, 8, 3, noise=0.05, seed=6)
    strict, loose = nearest(candidates, targets), nearest(candidates, targets, epsilon=0.01)
    assert_array_equal(strict.selection, loose.selection)
    assert_array_equal(strict.met, strict.error == 0)
    assert 0 < loose.failures < 50


def test_zero_candidates_are_never_chosen():
    found = nearest(np.array([0.0, 0.5, 0.0, 0.25, 0.0]), np.array([0.75, 0.1, 0.3]))
    assert_array_equal(found.selection[:, [0, 2, 4]], False)
    assert_array_equal(found.value, [0.75, 0.0, 0.25])
