"""Broken lines out of given kinks: inside the tube, at the cost that they say, and not far from the best."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tombola.universal._tube import BrokenLine, Tube, follow
from tombola.universal._tube_kernels import exits

X = np.linspace(0, 1, 1025)
ONCE = 1e-12  # what float64 adds where the line is added up again


def parabola(error: float, curvature: float = 2.0) -> Tube:
    return Tube(X, curvature / 2 * X**2 - error, curvature / 2 * X**2 + error)


def wave(error: float) -> Tube:
    values = np.sin(2 * np.pi * X)
    return Tube(X, values - error, values + error)


TUBES = {"parabola": parabola(0.01), "concave": parabola(0.01, -2.0), "wave": wave(0.05), "fine wave": wave(0.004)}
tubes = pytest.mark.parametrize("tube", TUBES.values(), ids=TUBES.keys())


def kinks(seed: int, count: int = 4000, largest: float = 4.0):
    random = np.random.default_rng(seed)
    places, changes = np.sort(random.uniform(0, 1, count)), random.uniform(-largest, largest, count)
    return places, changes, random.integers(2, 5, count)


def values(line: BrokenLine, places: np.ndarray, changes: np.ndarray) -> np.ndarray:
    bends = np.maximum(X[:, None] - places[line.kinks], 0) @ changes[line.kinks]
    return line.value + line.slope * X + bends


def inside(line: BrokenLine, tube: Tube, places: np.ndarray, changes: np.ndarray) -> bool:
    found = values(line, places, changes)
    return bool(((found >= tube.lower - ONCE) & (found <= tube.upper + ONCE)).all())


@tubes
@pytest.mark.parametrize("seed", range(3))
def test_the_line_stays_inside_at_every_point(tube, seed):
    places, changes, costs = kinks(seed, largest=8.0)
    line = follow(tube, places, changes, costs)
    assert inside(line, tube, places, changes)
    assert (np.diff(places[line.kinks]) > 0).all()
    assert np.unique(line.kinks).size == line.kinks.size


@pytest.mark.parametrize("seed", range(3))
def test_costs_are_those_of_its_kinks_and_are_saved_where_they_can_be(seed):
    """With every kink at one price fewest are taken; dear twins of cheap kinks are left alone."""
    places, changes, _ = kinks(seed)
    ones = np.ones(places.size, np.int64)
    line = follow(parabola(0.01), places, changes, ones)
    twins = np.sort(np.concatenate([places, places + 1e-9]))
    doubled, dear = np.repeat(changes, 2), np.tile(np.array([1, 7]), places.size)
    again = follow(parabola(0.01), twins, doubled, dear)
    assert inside(again, parabola(0.01), twins, doubled)
    assert dear[again.kinks].sum() == again.kinks.size == line.kinks.size
    dearer = follow(parabola(0.01), places, changes, 3 * ones)
    np.testing.assert_array_equal(dearer.kinks, line.kinks)


def test_of_two_kinds_that_both_do_the_cheap_one_is_taken():
    tube = Tube(X, np.abs(X - 0.5) - 0.1, np.abs(X - 0.5) + 0.1)
    places = np.repeat(np.linspace(0.4, 0.6, 201), 60)
    changes = np.tile(np.linspace(0.4, 2.4, 60), 201)
    sharp = changes > 1.4
    for cheap in (sharp, ~sharp):
        line = follow(tube, places, changes, np.where(cheap, 1, 5))
        assert cheap[line.kinks].tolist() == [True]
        assert inside(line, tube, places, changes)


@pytest.mark.parametrize("error", [0.01, 0.003, 0.001])
@pytest.mark.parametrize("seed", range(2))
def test_with_kinks_of_all_kinds_it_is_near_the_best_for_a_parabola(error, seed):
    """The best broken line of N pieces has the error `curvature * length^2 / (16 N^2)`."""
    random = np.random.default_rng(seed)
    places = np.sort(np.repeat(random.uniform(0, 1, 400), 24))
    changes = random.uniform(0, 6 * math.sqrt(8 * error), places.size)
    line = follow(parabola(error), places, changes, np.ones(places.size, np.int64))
    best = math.ceil(math.sqrt(2 / (16 * error)))
    assert best <= line.kinks.size + 1 <= 1.25 * best


def test_a_straight_tube_needs_no_kink():
    tube = Tube(X, 1 + 2 * X - 0.1, 1 + 2 * X + 0.1)
    places, changes, costs = kinks(0)
    line = follow(tube, places, changes, costs)
    assert line.kinks.size == 0
    assert inside(line, tube, places, changes)
    assert follow(tube, *(part[:0] for part in kinks(0))).kinks.size == 0


def test_none_where_the_kinks_do_not_suffice():
    tube = parabola(0.01)
    places, changes, costs = kinks(0)
    assert follow(tube, places[:0], changes[:0], costs[:0]) is None
    assert follow(tube, places, -np.abs(changes), costs) is None
    left = places < 0.3
    assert follow(tube, places[left], changes[left], costs[left]) is None


@pytest.mark.parametrize("seed", range(4))
def test_exits_are_the_first_points_that_are_missed(seed):
    random, tube = np.random.default_rng(seed), TUBES["wave"]
    places = random.uniform(-0.1, 1.0, 300)
    heights = np.interp(places, X, (tube.lower + tube.upper) / 2) + random.uniform(-0.06, 0.06, 300)
    slopes = random.uniform(-7, 7, 300)
    lines = heights[:, None] + slopes[:, None] * (X - places[:, None])
    missed = ((lines < tube.lower) | (lines > tube.upper)) & (places[:, None] <= X)
    expected = np.where(missed.any(axis=1), missed.argmax(axis=1), X.size)
    np.testing.assert_array_equal(exits(X, tube.lower, tube.upper, places, heights, slopes), expected)


def test_a_line_that_never_leaves_reaches_all_points():
    flat = np.zeros_like(X)
    found = exits(X, flat - 1, flat + 1, np.array([0.0, 0.5, 1.0]), np.zeros(3), np.array([1.0, -1.0, 9.0]))
    np.testing.assert_array_equal(found, [X.size] * 3)
