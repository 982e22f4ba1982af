"""Functions of one variable that blocks stand for, each with what a proof needs to know of it.

Arguments and values are float64 arrays. `curvature(low, high)` bounds |g''| on intervals; `rounding` bounds the error
of an evaluation, on the understanding that NumPy's exp, log and sin are correct to four units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import Chebyshev, Legendre

Values = Callable[[np.ndarray], np.ndarray]
Curvature = Callable[[np.ndarray, np.ndarray], np.ndarray]
ULPS = 4 * 2.0**-52  # relative error of a library function, at most


@dataclass(frozen=True, eq=False)
class Function:
    """A function of one variable on an interval.

    Attributes:
        name: of the function.
        value: its values.
        low: lower end of the interval.
        high: upper end.
        curvature: a bound on |g''| between the breaks; None if none is known, and nothing can be proved.
        lipschitz: a Lipschitz constant; only a function that takes what others have made needs one.
        breaks: points where g is continuous but not smooth.
        rounding: the largest error of `value` on the interval, absolute.

    Raises:
        ValueError: if the interval is empty or not finite.
    """

    name: str
    value: Values
    low: float
    high: float
    curvature: Curvature | None = None
    lipschitz: float = math.inf
    breaks: tuple[float, ...] = ()
    rounding: float = ULPS

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"{self.name}: the interval must be finite and not empty, got {self.low} to {self.high}")

    def until(self, high: float) -> Function:
        """The same function up to another upper end."""
        return replace(self, high=high)


def negative_log() -> Function:
    """`-log((1 + x) / 2)` on [0, 1], which falls from log 2 to 0.

    Example:
        >>> negative_log().value(np.array([0.0, 1.0])).round(6).tolist()
        [0.693147, 0.0]
    """
    return Function("-log((1 + x) / 2)", _negative_log, 0.0, 1.0, lambda low, high: 1 / (1 + low) ** 2)


def _negative_log(x: np.ndarray) -> np.ndarray:
    return np.abs(np.log1p((x - 1) / 2))


def decay(high: float) -> Function:
    """`exp(-z)` on [0, high]."""
    return Function("exp(-z)", lambda z: np.exp(-z), 0.0, high, lambda low, high: np.exp(-low), 1.0)


def sine(high: float, *, phase: float = 0.0) -> Function:
    """`sin(2 pi (t + phase))` on [0, high], reduced to half a period before it is multiplied.

    Args:
        high: upper end.
        phase: a multiple of 1/4.

    Example:
        >>> sine(9.0).value(np.array([0.25, 8.75])).round(12).tolist()
        [1.0, -1.0]
    """

    def curvature(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        largest = np.abs(_sine((low + high) / 2 + phase)) + np.pi * (high - low)
        return 4 * np.pi**2 * (np.minimum(1.0, largest) + 4 * ULPS)

    name = "sin(2 pi t)" if not phase else f"sin(2 pi (t + {phase:g}))"
    rounding = 8 * (1 + high) * ULPS
    return Function(name, lambda t: _sine(t + phase), 0.0, high, curvature, 2 * math.pi, rounding=rounding)


def _sine(t: np.ndarray) -> np.ndarray:
    quarters = np.round(2 * t)
    return np.where(quarters % 2 == 0, 1.0, -1.0) * np.sin(2 * np.pi * (t - quarters / 2))


def reflection(at: float, high: float, *, base: float | None = None) -> Function:
    """`at - |t - at|` on [0, high], or `base + |t - at|`: a fold at a point where a sine is symmetric."""
    start, sign = (at, -1.0) if base is None else (base, 1.0)
    return Function(
        f"{start:g} {'+' if sign > 0 else '-'} |t - {at:g}|",
        lambda t: start + sign * np.abs(t - at),
        0.0,
        high,
        _flat,
        1.0,
        breaks=(at,),
        rounding=(at + high) * 2.0**-51,
    )


def hat(left: float, middle: float, right: float) -> Function:
    """The piecewise-linear function on [0, 1] that is 1 at `middle` and 0 from `left` and `right` on outwards.

    `left` or `right` may lie outside of [0, 1].
    """

    def value(x: np.ndarray) -> np.ndarray:
        return np.interp(x, [left, middle, right], [0.0, 1.0, 0.0])

    inside = tuple(point for point in (left, middle, right) if 0 < point < 1)
    return Function(f"hat at {middle:g}", value, 0.0, 1.0, _flat, breaks=inside)


def _flat(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    return np.zeros_like(low)


def chebyshev(degree: int) -> Function:
    """The Chebyshev polynomial of the first kind, on [0, 1] for [-1, 1]."""
    odds = [(degree**2 - j**2) / (2 * j + 1) for j in range(3)]
    return _orthogonal(f"T{degree}", Chebyshev.basis(degree, domain=[0, 1]), math.prod(odds))


def legendre(degree: int) -> Function:
    """The Legendre polynomial, on [0, 1] for [-1, 1]."""
    third = math.prod(range(degree - 2, degree + 4)) / 48
    return _orthogonal(f"P{degree}", Legendre.basis(degree, domain=[0, 1]), third)


def _orthogonal(name: str, polynomial: Chebyshev | Legendre, third: float) -> Function:
    """A polynomial whose third derivative on [-1, 1] is `third` at most: what the second can be off by in a cell."""
    second = polynomial.deriv(2)
    rounding = 32 * (polynomial.degree() + 1) ** 2 * 2.0**-53

    def curvature(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        middle = np.abs(second((low + high) / 2))
        return (middle + 4 * third * (high - low)) * (1 + 2.0**-20) + 2.0**-20

    return Function(name, lambda x: np.asarray(polynomial(x)), 0.0, 1.0, curvature, rounding=rounding)
