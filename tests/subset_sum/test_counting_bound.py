import math

import pytest
from numpy.testing import assert_allclose

from tombola.subset_sum import counting_bound


def test_by_hand():
    assert counting_bound(3, 1 / 16) == 9.0
    assert_allclose(counting_bound(1000, 0.01), 1000 * math.log2(50))


def test_boxes_around_all_subnetworks_just_cover_the_cube():
    """2^bound boxes of side 2 epsilon have the volume of the cube of side 1."""
    count, epsilon = 7, 0.03
    assert_allclose(2 ** counting_bound(count, epsilon) * (2 * epsilon) ** count, 1.0)


def test_nothing_is_needed_for_no_weights_or_a_tolerance_of_half_the_range():
    assert counting_bound(0, 0.01) == 0.0
    assert counting_bound(5, 0.5) == 0.0
    assert counting_bound(5, 3.0) == 0.0


@pytest.mark.parametrize(("count", "epsilon"), [(-1, 0.1), (1, 0.0), (1, -0.1)])
def test_bad_input_is_refused(count, epsilon):
    with pytest.raises(ValueError, match="count must be at least 0"):
        counting_bound(count, epsilon)
