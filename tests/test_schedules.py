import math
from itertools import pairwise

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tombola import schedules
from tombola.masks import kept_count

seeded = hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)


def assert_falls(counts, total):
    assert counts[0] == total
    assert all(before > after >= 1 for before, after in pairwise(counts))


@pytest.mark.parametrize("factor", [0.8, 0.5, 0.9, 1 / 3, 0.7])
@pytest.mark.parametrize("total", [1000, 266_200, 4321])
def test_geometric_rounds_down_from_level_to_level(total, factor):
    counts = schedules.geometric(6, factor=factor)(total)
    assert_falls(counts, total)
    assert len(counts) == 7
    for before, after in pairwise(counts):
        assert after == math.floor(factor * before + 1e-9)


def test_geometric_by_hand():
    assert schedules.geometric(5)(100) == [100, 80, 64, 51, 40, 32]
    # rounded from level to level: 0.8^5 of 100 would round to 33
    assert schedules.geometric(3, factor=0.1)(1000) == [1000, 100, 10, 1]


@pytest.mark.parametrize(("factor", "total", "kept"), [(0.7, 10, 7), (0.1, 30, 3), (0.9, 10, 9), (0.35, 100, 35)])
def test_a_product_that_is_whole_is_not_rounded_below_itself(factor, total, kept):
    assert schedules.geometric(1, factor=factor)(total) == [total, kept]


@seeded
@given(st.integers(50, 10**6), st.integers(1, 20), st.floats(0.01, 0.95))
def test_linear_prunes_as_many_at_each_level(total, levels, density):
    hypothesis.assume(total - kept_count(total, density) >= levels)
    counts = schedules.linear(levels, density=density)(total)
    assert_falls(counts, total)
    assert len(counts) == levels + 1
    assert counts[-1] == kept_count(total, density)
    pruned = [before - after for before, after in pairwise(counts)]
    assert max(pruned) - min(pruned) <= 1


def test_linear_by_hand():
    assert schedules.linear(3, density=0.1)(100) == [100, 70, 40, 10]
    assert schedules.linear(3, density=0.5)(11) == [11, 10, 8, 6]


@seeded
@given(st.lists(st.integers(1, 999), min_size=1, max_size=8, unique=True), st.integers(1000, 10**6))
def test_given_keeps_what_each_density_keeps(thousandths, total):
    densities = [number / 1000 for number in sorted(thousandths, reverse=True)]
    counts = schedules.given(densities)(total)
    assert_falls(counts, total)
    assert counts[1:] == [kept_count(total, density) for density in densities]


def test_a_schedule_can_be_asked_again():
    schedule = schedules.given([0.5, 0.25])
    assert [schedule(8), schedule(100), schedule(8)] == [[8, 4, 2], [100, 50, 25], [8, 4, 2]]


@pytest.mark.parametrize("make", [schedules.geometric, lambda levels, factor: schedules.linear(levels, density=factor)])
@pytest.mark.parametrize(
    ("levels", "number"), [(0, 0.5), (-1, 0.5), (3, 0.0), (3, 1.0), (3, -0.1), (3, 1.5), (3, math.nan)]
)
def test_numbers_out_of_range_are_refused(make, levels, number):
    with pytest.raises(ValueError, match="levels must be at least 1"):
        make(levels, factor=number)


@pytest.mark.parametrize("densities", [[], [1.0], [0.5, 0.0], [0.5, -0.1], [1.2, 0.5], [0.5, math.nan]])
def test_densities_out_of_range_are_refused(densities):
    with pytest.raises(ValueError, match=r"at least one, each in \(0, 1\)"):
        schedules.given(densities)


@pytest.mark.parametrize("densities", [[0.2, 0.3], [0.5, 0.5], [0.9, 0.1, 0.2]])
def test_densities_that_do_not_fall_are_refused(densities):
    with pytest.raises(ValueError, match="must fall from level to level, got"):
        schedules.given(densities)


@pytest.mark.parametrize(
    ("schedule", "total"),
    [
        (schedules.geometric(3, factor=0.1), 100),  # 100, 10, 1, 0
        (schedules.geometric(1), 0),
        (schedules.linear(9, density=0.5), 10),
        (schedules.given([0.5, 0.499]), 100),
        (schedules.given([0.999]), 10),
    ],
)
def test_more_levels_than_there_are_weights_to_prune_are_refused(schedule, total):
    with pytest.raises(ValueError, match="ask for fewer levels"):
        schedule(total)
