import numpy as np
import pytest
from numpy.testing import assert_allclose

from tombola.subset_sum import median_error, nearest


def median(n, half_width, trials):
    random = np.random.default_rng(n)
    pools = random.uniform(-half_width, half_width, (trials, n))
    return np.median(nearest(pools, random.uniform(-1, 1, trials)).error)


def test_by_hand():
    """n = 2, R = 1: .74 * 1.7 * sqrt(2 pi / 3) / 8."""
    assert_allclose(median_error(2), 0.74 * 1.7 * 1.44720 / 8, rtol=1e-4)


@pytest.mark.parametrize(
    ("n", "trials"), [(8, 40_000), (10, 40_000), (13, 40_000), (16, 20_000), (18, 20_000), (20, 8_000)]
)
def test_agrees_with_simulation(n, trials):
    """A median of N exponential errors has a relative sd of about 1.44 / sqrt(N): .7 % to 1.6 % here; 3 sd and 3 %."""
    assert_allclose(median_error(n), median(n, 1.0, trials), rtol=0.03 + 3 * 1.44 / np.sqrt(trials))


@pytest.mark.parametrize(("half_width", "n"), [(0.5, 12), (0.5, 16), (2.0, 8), (2.0, 14), (4.0, 10)])
def test_agrees_with_simulation_for_other_widths(half_width, n):
    assert_allclose(median_error(n, half_width=half_width), median(n, half_width, 20_000), rtol=0.1)


def test_published_table():
    table = {8: 4.9e-3, 10: 1.3e-3, 12: 3.5e-4, 14: 9.4e-5, 16: 2.5e-5, 18: 6.6e-6, 20: 1.7e-6, 22: 4.4e-7}
    for n, error in table.items():
        assert_allclose(median_error(n), error, rtol=0.1)


@pytest.mark.parametrize(("n", "half_width"), [(0, 1.0), (5, 0.0), (5, -1.0), (5, float("nan"))])
def test_bad_input_is_refused(n, half_width):
    with pytest.raises(ValueError, match="n must be at least 1 and half_width positive"):
        median_error(n, half_width=half_width)
