"""Proved bounds: above everything that is found, near it, and infinite where nothing is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tombola.universal import Function, block_error, feature_errors
from tombola.universal._bound import largest
from tombola.universal._function import chebyshev, decay, hat, legendre, negative_log, reflection, sine
from tombola.universal._piecewise import PiecewiseLinear
from tombola.universal._step import Block, Linear, RealisedBlock, RealisedLinear

FUNCTIONS = {
    "log": negative_log(),
    "decay": decay(2.9),
    "sine": sine(3.25),
    "chebyshev": chebyshev(5),
    "legendre": legendre(4),
    "hat": hat(0.2, 0.37, 0.9),
    "reflection": reflection(0.75, 1.3),
}
functions = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())


def chords(function: Function, knots: np.ndarray, *, relu: bool = False) -> PiecewiseLinear:
    """The broken line through a function's values at knots, the first and the last at the ends."""
    values = function.value(knots)
    turns = np.diff(np.diff(values) / np.diff(knots), prepend=0.0)
    return PiecewiseLinear(np.ones(turns.size), -knots[:-1], turns, float(values[0]), function.low, function.high, relu)


def knots_of(function: Function, seed: int, count: int = 24) -> np.ndarray:
    inside = np.random.default_rng(seed).uniform(function.low, function.high, count)
    return np.unique(np.concatenate([[function.low], inside, function.breaks, [function.high]]))


@functions
@pytest.mark.parametrize("seed", range(3))
def test_no_point_is_further_off_than_the_bound(function, seed):
    line = chords(function, knots_of(function, seed))
    random = np.random.default_rng(seed).uniform(function.low, function.high, 20_000)
    points = line.breakpoints
    x = np.concatenate([random, points, np.nextafter(points, -np.inf), np.nextafter(points, np.inf)])
    x = np.clip(x, function.low, function.high)
    assert np.abs(line(x) - function.value(x)).max() <= block_error(line, function)


@functions
def test_bound_is_within_a_thousandth_of_the_largest_error(function):
    line = chords(function, np.delete(knots_of(function, 0), 7))
    pieces = np.unique(np.concatenate([line.breakpoints, function.breaks]))
    x = (pieces[:-1, None] + np.diff(pieces)[:, None] * np.linspace(0, 1, 400)).ravel()
    found = np.abs(line(x) - function.value(x)).max()
    assert block_error(line, function) <= 1.001 * found + 1e-8


def test_two_chords_of_a_parabola_by_hand():
    """Chords of x^2 on pieces of length h miss by h^2 / 4 in the middle."""
    square = Function("x^2", np.square, 0.0, 1.0, lambda low, high: np.full_like(low, 2.0))
    assert block_error(chords(square, np.array([0.0, 0.5, 1.0])), square) == pytest.approx(1 / 16, rel=1e-3)
    assert block_error(chords(square, np.array([0.0, 0.25, 1.0])), square) == pytest.approx(9 / 64, rel=1e-3)


def test_a_line_that_is_wrong_in_one_cell_only_is_found():
    """A spike of width 1e-3 between the knots of the function: every kink is looked at."""
    function = hat(0.2, 0.5, 0.8)
    good = chords(function, np.array([0.0, 0.2, 0.5, 0.8, 1.0]))
    spike = np.array([0.6113, 0.6118, 0.6123])
    line = replace(
        good,
        inner=np.append(good.inner, np.ones(3)),
        bias=np.append(good.bias, -spike),
        outer=np.append(good.outer, [40.0, -80.0, 40.0]),
    )
    assert block_error(line, function) == pytest.approx(0.02, rel=1e-6)


def test_what_a_relu_cuts_off_is_seen():
    function = Function("0", np.zeros_like, 0.0, 1.0, lambda low, high: 0 * low)
    line = PiecewiseLinear(np.array([1.0]), np.array([0.0]), np.array([2.0]), -1.5, 0.0, 1.0, relu=True)
    assert block_error(line, function) == pytest.approx(0.5, rel=1e-9)
    assert block_error(replace(line, relu=False), function) == pytest.approx(1.5, rel=1e-9)


def test_without_a_curvature_nothing_is_proved():
    bare = Function("x^2", np.square, 0.0, 1.0)
    assert block_error(chords(bare, np.linspace(0, 1, 9)), bare) == np.inf


def network(seed: int):
    """A logarithm, an affine map and an exponential, each a little off."""
    random = np.random.default_rng(seed)
    d, k = 3, 5
    first, weight = negative_log(), random.integers(0, 3, (k, d)).astype(float)
    bias = random.uniform(0, 0.5, k)
    log = chords(first, knots_of(first, seed), relu=True)
    off = RealisedLinear("map", weight + random.uniform(-1e-2, 1e-2, (k, d)), bias + random.uniform(-1e-2, 1e-2, k))
    high = float((np.maximum(off.weight, 0).sum(axis=1) * largest(log) + off.bias).max())
    last = decay(max(high, 0.1))
    exp = chords(last, knots_of(last, seed))
    steps = (Block("log", (first,), 1.0), Linear("map", weight, bias, 1.0), Block("exp", (last,), 1.0, relu=False))
    return steps, (RealisedBlock("log", (log,)), off, RealisedBlock("exp", (exp,)))


@pytest.mark.parametrize("seed", range(6))
def test_errors_of_a_network_are_above_what_inputs_show(seed):
    steps, realised = network(seed)
    x = np.random.default_rng(9).uniform(size=(20_000, 3))
    log, linear, exp = (one.functions[0] if isinstance(one, RealisedBlock) else one for one in realised)
    inner = log(x.ravel()).reshape(x.shape)
    middle = np.maximum(inner @ linear.weight.T + linear.bias, 0)
    found = exp(middle.ravel()).reshape(middle.shape)
    wanted = np.exp(-(negative_log().value(x) @ steps[1].weight.T + steps[1].bias))
    bounds = feature_errors(3, steps, realised)
    gaps = np.abs(found - wanted).max(axis=0)
    assert (gaps <= bounds).all()
    assert (bounds <= 8 * gaps).all()


def test_an_error_goes_through_a_network_by_hand():
    """A constant error of 0.1, times 3 and 2, plus weights off by 0.01 on inputs up to 1.1, plus a bias off by 0.02."""
    flat = Function("x", lambda x: x, 0.0, 1.0, lambda low, high: 0 * low, 1.0)
    shifted = PiecewiseLinear(np.array([1.0]), np.array([0.0]), np.array([1.0]), 0.1, 0.0, 1.0, relu=True)
    steps = [Block("a", (flat,), 1.0), Linear("b", np.array([[3.0, -2.0]]), np.array([2.0]), 1.0)]
    realised = [RealisedBlock("a", (shifted,)), RealisedLinear("b", np.array([[3.01, -2.0]]), np.array([2.02]))]
    (bound,) = feature_errors(2, steps, realised)
    assert bound == pytest.approx(5 * 0.1 + 0.01 * 1.1 + 0.02, rel=1e-6)


def test_a_lipschitz_constant_multiplies_what_comes_in():
    wave = sine(1.0)
    exact = chords(wave, np.linspace(0, 1, 100))
    own = block_error(exact, wave)
    steps = [Linear("map", np.eye(1), None, 1.0), Block("sine", (wave,), 1.0, relu=False)]
    realised = [RealisedLinear("map", np.eye(1), np.array([0.01])), RealisedBlock("sine", (exact,))]
    (bound,) = feature_errors(1, steps, realised)
    assert bound == pytest.approx(own + 2 * np.pi * 0.01, rel=1e-6)


def test_errors_come_channel_by_channel():
    block = Block("block", (chebyshev(2), chebyshev(3)), 1.0, relu=False)
    lines = tuple(chords(function, np.linspace(0, 1, 9)) for function in block.functions)
    found = feature_errors(2, [block], [RealisedBlock("block", lines)])
    wanted = [block_error(line, function) for line, function in zip(lines, block.functions, strict=True)]
    np.testing.assert_allclose(found, np.repeat(wanted, 2), rtol=1e-12)


def test_largest_is_above_every_value():
    line = chords(sine(1.0), np.linspace(0, 1, 11))
    assert 0 <= largest(line) - line(np.linspace(0, 1, 5001)).max() <= 1e-8
