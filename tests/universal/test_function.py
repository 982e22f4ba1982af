"""Functions of one variable: values to 50 digits, and bounds that really are bounds."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest

from tombola.universal import Function
from tombola.universal._function import chebyshev, decay, hat, legendre, negative_log, reflection, sine

# name -> (function, its value, its first and its second derivative, to as many digits as wanted)
SMOOTH = {
    "negative_log": (
        negative_log(),
        lambda x: -mpmath.log((1 + x) / 2),
        lambda x: -1 / (1 + x),
        lambda x: (1 + x) ** -2,
    ),
    "decay": (decay(3.5), lambda z: mpmath.exp(-z), lambda z: -mpmath.exp(-z), lambda z: mpmath.exp(-z)),
} | {
    f"sine({high}, {phase})": (
        sine(high, phase=phase),
        lambda t, phase=phase: mpmath.sin(2 * mpmath.pi * (t + phase)),
        lambda t, phase=phase: 2 * mpmath.pi * mpmath.cos(2 * mpmath.pi * (t + phase)),
        lambda t, phase=phase: -4 * mpmath.pi**2 * mpmath.sin(2 * mpmath.pi * (t + phase)),
    )
    for high, phase in ((1.0, 0.0), (37.0, 0.0), (0.53, 0.25))
}
for degree in (1, 2, 3, 7, 30):
    for maker, value in ((chebyshev, mpmath.chebyt), (legendre, mpmath.legendre)):
        plain = [lambda x, n=degree, value=value: value(n, 2 * x - 1)]
        plain += [lambda x, one=plain[0], order=order: mpmath.diff(one, x, order) for order in (1, 2)]
        SMOOTH[f"{maker.__name__}({degree})"] = (maker(degree), *plain)

smooth = pytest.mark.parametrize(("function", "value", "first", "second"), SMOOTH.values(), ids=SMOOTH.keys())


def points(function, count, seed=0):
    inside = np.random.default_rng(seed).uniform(function.low, function.high, count)
    return np.concatenate([[function.low], inside, [function.high, np.nextafter(function.high, function.low)]])


@smooth
def test_values_are_right_up_to_the_rounding(function, value, first, second):
    x = points(function, 60)
    with mpmath.workdps(50):
        gaps = [
            abs(mpmath.mpf(float(ours)) - value(mpmath.mpf(float(point))))
            for point, ours in zip(x, function.value(x), strict=True)
        ]
    assert float(max(gaps)) <= function.rounding


@smooth
def test_curvature_is_never_exceeded(function, value, first, second):
    random = np.random.default_rng(1)
    centre = random.uniform(function.low, function.high, 12)
    half = (function.high - function.low) * 10.0 ** random.uniform(-6, -0.3, 12)
    low, high = np.maximum(centre - half, function.low), np.minimum(centre + half, function.high)
    with mpmath.workdps(30):
        largest = [
            max(abs(second(mpmath.mpf(float(point)))) for point in np.linspace(a, b, 9))
            for a, b in zip(low, high, strict=True)
        ]
    assert (np.array([float(one) for one in largest]) <= function.curvature(low, high) * (1 + 1e-14) + 1e-12).all()


@smooth
def test_curvature_is_not_far_above_the_second_derivative(function, value, first, second):
    x = np.linspace(function.low, function.high, 33)
    bounds = function.curvature(x, x + 1e-9)
    with mpmath.workdps(30):
        exact = np.array([float(abs(second(mpmath.mpf(float(point))))) for point in x])
    assert (bounds <= 1.001 * exact + 1e-3 * exact.max() + 1e-6).all()


@pytest.mark.parametrize("name", [name for name, (function, *_) in SMOOTH.items() if function.lipschitz < math.inf])
def test_slopes_never_exceed_the_lipschitz_constant(name):
    function, _, first, _ = SMOOTH[name]
    with mpmath.workdps(30):
        slopes = [float(abs(first(mpmath.mpf(float(point))))) for point in points(function, 60)]
    assert max(slopes) <= function.lipschitz * (1 + 1e-15)
    assert max(slopes) >= 0.9 * function.lipschitz


@pytest.mark.parametrize("function", [reflection(2.75, 5.5), reflection(0.25, 0.77, base=0.0)], ids=lambda f: f.name)
def test_a_reflection_is_straight_beside_its_break(function):
    (at,) = function.breaks
    x = np.sort(points(function, 200))
    values = function.value(x)
    exact = [abs(mpmath.mpf(float(point)) - at) for point in x]
    start = 0.0 if function.name.startswith("0 +") else at
    sign = 1 if start == 0 else -1
    assert max(abs(mpmath.mpf(float(v)) - (start + sign * e)) for v, e in zip(values, exact, strict=True)) <= (
        function.rounding
    )
    assert (np.abs(np.diff(values)) <= np.diff(x) * function.lipschitz + 2 * function.rounding).all()
    np.testing.assert_array_equal(function.curvature(x[:-1], x[1:]), 0)


@pytest.mark.parametrize(("at", "high"), [(0.75, 1.3), (2.25, 4.4)])
def test_a_reflection_leaves_the_sine_as_it_is(at, high):
    """The sine is symmetric about every quarter of an odd number."""
    t = np.linspace(0, high, 101)
    folded = reflection(at, high).value(t)
    np.testing.assert_allclose(sine(high).value(np.maximum(folded, 0)), sine(high).value(t), atol=1e-13)
    assert folded.max() <= at < high


def test_a_hat_by_hand():
    function = hat(0.25, 0.5, 1.0)
    x = np.array([0.0, 0.25, 0.375, 0.5, 0.75, 1.0])
    np.testing.assert_array_equal(function.value(x), [0, 0, 0.5, 1, 0.5, 0])
    assert function.breaks == (0.25, 0.5)
    assert hat(-0.5, 0.0, 0.5).breaks == (0.5,)
    assert hat(0.5, 1.0, 1.5).breaks == (0.5,)


def test_sine_is_exact_at_multiples_of_a_quarter():
    t = np.arange(0, 80) / 4
    np.testing.assert_array_equal(sine(20.0).value(t)[::2], 0)
    np.testing.assert_array_equal(sine(20.0).value(t)[1::2], np.resize([1.0, -1.0], 40))
    np.testing.assert_array_equal(sine(20.0, phase=0.25).value(t)[1::2], 0)


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 0.0), (1.0, 0.0), (0.0, math.inf), (math.nan, 1.0), (-math.inf, 0.0), (0.0, math.nan)]
)
def test_an_interval_must_be_finite_and_not_empty(low, high):
    with pytest.raises(ValueError, match=r"square: the interval must be finite and not empty"):
        Function("square", np.square, low, high)


def test_until_moves_the_upper_end_and_nothing_else():
    function = sine(1.0)
    longer = function.until(2.5)
    assert (longer.low, longer.high, function.high) == (0.0, 2.5, 1.0)
    assert longer.value is function.value
    assert longer.lipschitz == function.lipschitz
