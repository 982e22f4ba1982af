"""Bit sets of reachable sums: against a plain set of integers, and the greedy choice on a case worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tombola.strong._reach import choose_units, grid_elements, holds, shift_or


@pytest.mark.parametrize("shift", [0, 1, -1, 63, 64, 65, -63, -64, -65, 127, -127, 128, -128, 500, -500])
def test_shift_or_is_the_shift_of_a_long_integer(shift):
    words = np.random.default_rng(0).integers(0, 2**64, 2, dtype=np.uint64)
    whole = int(words[0]) | int(words[1]) << 64
    shifted = whole << shift if shift >= 0 else whole >> -shift
    shift_or(words, shift)
    assert int(words[0]) | int(words[1]) << 64 == (whole | shifted) & (1 << 128) - 1


def test_holds_reads_one_bit_and_nothing_outside():
    words = np.array([0b101, 1 << 63], np.uint64)
    assert [holds(words, index) for index in (-1, 0, 1, 2, 127, 128, 10_000)] == [0, 1, 0, 1, 1, 0, 0]


def test_grid_elements_are_rounded_products():
    rows = np.array([[0.5, -0.25, 0.125], [1.0, 0.0, -1.0]], np.float32)
    cells = grid_elements(np.array([0.5, 1.0], np.float32), np.array([1, 0]), rows, np.array([0, 2]), np.float32(16))
    assert cells.tolist() == [[8, 8], [-8, 2]]


def test_choice_prefers_the_unit_that_solves_most():
    # Targets 10 and 20; after two blind units (worth nothing here) unit 3 solves both, unit 2 only one.
    cells = np.array([[0, 0, 10, 10], [0, 0, 0, 20]], np.int32)
    owned = np.empty((2, 0), np.int32)
    order, reached = choose_units(np.array([10, 20], np.int32), owned, cells, 64, 1)
    assert reached
    assert order.tolist() == [0, 1, 3]


def test_candidates_that_run_out_are_reported():
    order, reached = choose_units(
        np.array([40], np.int32), np.empty((1, 0), np.int32), np.array([[1, 2]], np.int32), 64, 1
    )
    assert not reached
    assert sorted(order.tolist()) == [0, 1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(-30, 30), min_size=1, max_size=6),
    st.lists(st.integers(-25, 25), min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_reached_means_that_a_subset_sum_is_within_the_radius(elements, wanted, radius):
    cells = np.tile(np.array(elements, np.int32), (len(wanted), 1))
    order, reached = choose_units(np.array(wanted, np.int32), np.empty((len(wanted), 0), np.int32), cells, 256, radius)
    sums = {0}
    for unit in order:
        sums |= {value + elements[unit] for value in sums}
    near = [min(abs(value - target) for value in sums) <= radius for target in wanted]
    assert reached == all(near)
