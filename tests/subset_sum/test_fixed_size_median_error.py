from itertools import combinations
from math import comb, pi, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tombola.subset_sum import fixed_size_median_error


def test_by_hand():
    assert_allclose(fixed_size_median_error(4, 2), 0.82 * sqrt(4 * pi / 3) / 12)
    assert_allclose(fixed_size_median_error(20, 3), 9e-4, rtol=0.01)


@pytest.mark.parametrize(("n", "k"), [(15, 3), (20, 2), (20, 3), (30, 3), (12, 4), (12, 6)])
def test_agrees_with_simulation_within_a_fifth(n, k):
    """1,000 trials: the median's own relative sd is 4.6 %."""
    random = np.random.default_rng(100 * n + k)
    subsets = np.array(list(combinations(range(n), k)))
    assert len(subsets) == comb(n, k)
    errors = []
    for _ in range(20):
        pools, targets = random.uniform(-1, 1, (50, n)), random.uniform(-1, 1, 50)
        errors.append(np.abs(pools[:, subsets].sum(2) - targets[:, None]).min(1))
    assert_allclose(fixed_size_median_error(n, k), np.median(errors), rtol=0.2)


@pytest.mark.parametrize(("n", "k"), [(5, 0), (5, 6), (0, 0)])
def test_bad_input_is_refused(n, k):
    with pytest.raises(ValueError, match="k must be from 1 to n"):
        fixed_size_median_error(n, k)
