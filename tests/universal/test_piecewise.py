"""Broken lines as sums of ReLUs: where they bend, and how far float64 is from exact fractions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from tombola.universal._piecewise import PiecewiseLinear

SEEDS = range(12)


def random_line(seed: int, *, relu: bool = False, size: int = 9) -> PiecewiseLinear:
    """Units of both directions, one that bends inside, one that is constant and some that do as chance has it."""
    random = np.random.default_rng(seed)
    inner, bias, outer = random.uniform(-1, 1, (3, size))
    inner[:2], bias[1] = (0.0, 0.7), -0.21
    outer *= 10.0 ** random.integers(-2, 3)
    high = float(random.uniform(0.5, 3))
    line = PiecewiseLinear(inner, bias, outer, 0.0, 0.0, high)
    return replace(line, offset=-float(line(np.array([random.uniform(0, high)]))[0]), relu=relu)


def exact(line: PiecewiseLinear, x: Fraction) -> Fraction:
    """The value in rational arithmetic."""
    units = zip(line.inner.tolist(), line.bias.tolist(), line.outer.tolist(), strict=True)
    total = sum(Fraction(c) * max(Fraction(a) * x + Fraction(b), Fraction(0)) for a, b, c in units)
    value = total + Fraction(line.offset)
    return max(value, Fraction(0)) if line.relu else value


def exact_kinks(line: PiecewiseLinear) -> list[Fraction]:
    pairs = zip(line.inner.tolist(), line.bias.tolist(), strict=True)
    places = {-Fraction(b) / Fraction(a) for a, b in pairs if a}
    return sorted(place for place in places if Fraction(line.low) < place < Fraction(line.high))


def test_a_tent_by_hand():
    tent = PiecewiseLinear(np.array([1.0, 1.0]), np.array([0.0, -0.5]), np.array([2.0, -4.0]), -0.5, 0.0, 1.0)
    places, changes = tent.kinks
    assert (places.tolist(), changes.tolist()) == ([0.5], [-4.0])
    np.testing.assert_array_equal(tent(np.array([0.0, 0.25, 0.5, 1.0])), [-0.5, 0.0, 0.5, -0.5])
    cut = replace(tent, relu=True)
    np.testing.assert_array_equal(cut.breakpoints, [0.0, 0.25, 0.5, 0.75, 1.0])
    np.testing.assert_array_equal(cut(cut.breakpoints), [0.0, 0.0, 0.5, 0.0, 0.0])


def test_a_unit_that_falls_bends_upwards_too():
    line = PiecewiseLinear(np.array([-2.0]), np.array([1.0]), np.array([3.0]), 0.0, 0.0, 1.0)
    places, changes = line.kinks
    assert (places.tolist(), changes.tolist()) == ([0.5], [6.0])


def test_without_units_it_is_a_constant():
    line = PiecewiseLinear(np.empty(0), np.empty(0), np.empty(0), 0.25, 0.0, 2.0)
    np.testing.assert_array_equal(line.breakpoints, [0.0, 2.0])
    np.testing.assert_array_equal(line(np.array([0.0, 1.5])), [0.25, 0.25])


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_values_are_within_the_rounding_of_exact_ones(seed, relu):
    line = random_line(seed, relu=relu)
    x = np.random.default_rng(seed).uniform(line.low, line.high, 200)
    found = [abs(Fraction(y) - exact(line, Fraction(t))) for t, y in zip(x.tolist(), line(x).tolist(), strict=True)]
    assert max(found) <= line.rounding()


@pytest.mark.parametrize("seed", SEEDS)
def test_values_at_rounded_kinks_are_within_the_rounding_of_those_at_exact_kinks(seed):
    line = random_line(seed)
    places, _ = line.kinks
    wanted = exact_kinks(line)
    assert places.size == len(wanted) > 0
    pairs = zip(line(places).tolist(), wanted, strict=True)
    assert max(abs(Fraction(found) - exact(line, place)) for found, place in pairs) <= line.rounding()


@pytest.mark.parametrize("seed", SEEDS)
def test_rounding_covers_weights_that_are_off_in_their_last_places(seed):
    """Weights are sums of products; what their own rounding does is covered."""
    line = random_line(seed)
    signs = np.random.default_rng(seed).choice([-1, 1], (2, line.inner.size))
    inner, outer = line.inner * (1 + signs[0] * 2.0**-52), line.outer * (1 + signs[1] * 2.0**-52)
    other = replace(line, inner=inner, outer=outer)
    x = np.linspace(line.low, line.high, 101)
    assert np.abs(line(x) - other(x)).max() <= line.rounding()


@pytest.mark.parametrize("seed", SEEDS)
def test_rounding_is_no_more_than_a_billionth_of_what_the_units_add_up_to(seed):
    line = random_line(seed)
    sizes = np.abs(line.outer) @ (np.abs(line.inner) * line.high + np.abs(line.bias)) + abs(line.offset)
    assert 0 < line.rounding() <= 1e-9 * (1 + sizes)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_between_breakpoints_it_is_straight(seed, relu):
    line = random_line(seed, relu=relu)
    points = line.breakpoints
    assert (points[0], points[-1]) == (line.low, line.high)
    assert (np.diff(points) > 0).all()
    inside = points[:-1, None] + np.diff(points)[:, None] * np.array([0.1, 0.5, 0.8])
    chords = line(points)[:-1, None] + np.diff(line(points))[:, None] * np.array([0.1, 0.5, 0.8])
    scale = np.abs(line.outer).sum() + 1
    np.testing.assert_allclose(line(inside.ravel()), chords.ravel(), rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_relu_behind_adds_the_points_where_the_sum_changes_its_sign(seed):
    bare, cut = random_line(seed), random_line(seed, relu=True)
    added = np.setdiff1d(cut.breakpoints, bare.breakpoints)
    signs = np.sign(bare(bare.breakpoints))
    assert added.size == (signs[:-1] * signs[1:] < 0).sum()
    assert (np.abs(bare(added)) <= 2 * bare.rounding()).all()
    np.testing.assert_array_equal(cut(bare.breakpoints), np.maximum(bare(bare.breakpoints), 0))


def test_most_of_the_random_lines_cross_zero():
    cut = [random_line(seed, relu=True).breakpoints.size > random_line(seed).breakpoints.size for seed in SEEDS]
    assert sum(cut) > len(SEEDS) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_changes_of_slope_are_those_of_the_values(seed):
    line = random_line(seed)
    slopes = np.diff(line(line.breakpoints)) / np.diff(line.breakpoints)
    scale = np.abs(slopes).max() + np.abs(line.outer).max()
    np.testing.assert_allclose(np.diff(slopes), line.kinks[1], rtol=0, atol=1e-9 * scale)
