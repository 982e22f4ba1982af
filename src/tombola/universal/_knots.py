"""Where a broken line should bend, and how close its chords come: the theory that blocks are planned with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ._function import Function

GRID = 8192


def equi_error_knots(functions: Sequence[Function], pieces: int) -> np.ndarray:
    """Knots `(pieces + 1,)`, ends included, between which the chords of all functions have the same error at most.

    Their density is that of `sqrt(max |g''|)`. Where a function hardly bends, pieces stay finite.

    Args:
        functions: on the same interval.
        pieces: at least 1.

    Example:
        >>> from tombola.universal import Function
        >>> cube = Function("x^3", lambda x: x**3, 0.0, 1.0)
        >>> equi_error_knots([cube], 4).round(2).tolist()
        [0.0, 0.4, 0.63, 0.83, 1.0]
    """
    x = np.linspace(functions[0].low, functions[0].high, GRID + 1)
    bends = np.sqrt(np.max([np.abs(np.diff(function.value(x), 2)) for function in functions], axis=0))
    total = np.concatenate([[0.0], (bends + 1e-3 * bends.mean() + (bends.max() == 0)).cumsum()])
    return np.interp(np.linspace(0, total[-1], pieces + 1), total, np.linspace(x[0], x[-1], total.size))


def chord_error(function: Function, knots: np.ndarray) -> float:
    """A bound on the error of the chords between knots: the largest `max |g''| h^2 / 8` of any piece of length h.

    Guarantee: exact, if the function's curvature is what it says; infinite where none is known.

    Args:
        function: whose breaks, if it has any, are among the knots.
        knots: `(n + 1,)` ascending, ends included.

    Example:
        >>> from tombola.universal import Function
        >>> square = Function("x^2", np.square, 0.0, 1.0, lambda low, high: np.full_like(low, 2.0))
        >>> chord_error(square, np.linspace(0, 1, 11)) <= 1 / 400 + 1e-12
        True
    """
    if function.curvature is None:
        return math.inf
    bends = function.curvature(knots[:-1], knots[1:])
    return float((bends * np.square(np.diff(knots)) / 8).max())


def knots_needed(function: Function, tolerance: float) -> int:
    """The fewest pieces whose chords are proved to come within a tolerance; 0 if there can be no proof.

    Equi-error pieces are tried, and even ones, whose proof is better where a function is straight for a moment. A
    function that is a broken line itself needs its own pieces.

    Args:
        function: with a known curvature.
        tolerance: positive.

    Example:
        >>> from tombola.universal import Function
        >>> square = Function("x^2", np.square, 0.0, 1.0, lambda low, high: np.full_like(low, 2.0))
        >>> knots_needed(square, 0.0025)
        10
    """
    if function.breaks:
        return 1 + sum(function.low < point < function.high for point in function.breaks)
    if function.curvature is None:
        return 0
    few, many = 0, 1
    while not _suffices(function, many, tolerance):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _suffices(function, middle, tolerance) else (middle, many)
    return many


def _suffices(function: Function, pieces: int, tolerance: float) -> bool:
    even = np.linspace(function.low, function.high, pieces + 1)
    least = min(chord_error(function, knots) for knots in (equi_error_knots([function], pieces), even))
    return least <= tolerance * (1 + 1e-9)


def expected_knots(function: Function, tolerance: float) -> int:
    """About how many pieces the best broken line has: the integral of `sqrt(|g''| / (16 tolerance))`, rounded up.

    Heuristic: asymptotic in the tolerance. Chords take the square root of two times as many.

    Args:
        function: any.
        tolerance: positive.

    Example:
        >>> from tombola.universal import Function
        >>> expected_knots(Function("x^2", np.square, 0.0, 1.0), 0.00125)
        11
    """
    x = np.linspace(function.low, function.high, GRID + 1)
    bends = np.abs(np.diff(function.value(x), 2))
    return math.ceil(float(np.sqrt(bends / (16 * tolerance)).sum())) + 1
