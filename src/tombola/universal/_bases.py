"""Features of one input each: orthogonal polynomials, hats, and whatever function a caller has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ._family import Family, checked, checked_tolerance, per_channel
from ._function import Function, chebyshev, hat, legendre
from ._step import Block


def orthogonal(dimension: int, degree: int, *, kind: str = "chebyshev", tolerance: float = 1e-2) -> Family:
    """Chebyshev or Legendre polynomials of degree 1 to `degree` of every input; `[0, 1]` stands for `[-1, 1]`.

    They span sums of polynomials of one input each. One block with a channel for each degree serves all inputs.

    Args:
        dimension: how many inputs.
        degree: the largest degree.
        kind: "chebyshev" or "legendre".
        tolerance: the largest error wanted, of any feature.

    Raises:
        ValueError: for a number out of range, or another kind.

    Example:
        >>> orthogonal(2, 2).label(["x0", "x1"])
        ['T1(x0)', 'T1(x1)', 'T2(x0)', 'T2(x1)']
    """
    dimension, degree = checked("dimension", dimension, 1), checked("degree", degree, 1)
    makers = {"chebyshev": chebyshev, "legendre": legendre}
    if kind not in makers:
        raise ValueError(f"kind must be one of {', '.join(makers)}, got {kind!r}")
    functions = [makers[kind](n) for n in range(1, degree + 1)]
    return _channels(kind, dimension, {"degree": degree}, functions, tolerance)


def hats(dimension: int, knots: int, *, tolerance: float = 1e-3) -> Family:
    """Piecewise-linear hats on `knots` equal intervals of every input; with them, all broken lines with these knots.

    The hat at 0 is left out: a constant makes up for it. Nothing is lost to knots; errors are those of pruning alone.

    Args:
        dimension: how many inputs.
        knots: how many intervals, and hats of each input.
        tolerance: the largest error wanted, of any feature.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> hats(1, 2).exact(np.array([[0.0], [0.25], [0.5], [1.0]])).tolist()
        [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    dimension, knots = checked("dimension", dimension, 1), checked("knots", knots, 2)
    functions = [hat((k - 1) / knots, k / knots, (k + 1) / knots) for k in range(1, knots + 1)]
    return _channels("hat", dimension, {"knots": knots}, functions, tolerance)


def univariate(functions: Sequence[Function], *, dimension: int = 1, tolerance: float = 1e-2) -> Family:
    """A caller's functions of one variable on `[0, 1]`, of every input.

    Args:
        functions: on the interval from 0 to 1. What is proved of them rests on the curvature that they say they have;
            without one nothing is proved.
        dimension: how many inputs.
        tolerance: the largest error wanted, of any feature.

    Raises:
        ValueError: if there is none, one is on another interval or not finite there, or two have one name.

    Example:
        >>> root = Function("sqrt(x + 0.1)", lambda x: np.sqrt(x + 0.1), 0.0, 1.0)
        >>> univariate([root]).label(["age"])
        ['sqrt(x + 0.1)(age)']
    """
    for function in functions:
        if (function.low, function.high) != (0.0, 1.0):
            raise ValueError(f"{function.name}: functions are wanted on 0 to 1, got {function.low} to {function.high}")
        if not np.isfinite(function.value(np.linspace(0, 1, 1025))).all():
            raise ValueError(f"{function.name}: it is not finite everywhere from 0 to 1")
    names = [function.name for function in functions]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"functions must be at least one, with names of their own, got {names}")
    return _channels("custom", checked("dimension", dimension, 1), {"functions": names}, functions, tolerance)


def _channels(name: str, dimension: int, settings: dict, functions: Sequence[Function], tolerance: float) -> Family:
    block = Block("block", tuple(functions), checked_tolerance(tolerance), relu=False)
    label = partial(per_channel, labels=[function.name for function in functions])
    return Family(name, dimension, block.tolerance, settings, (block,), label)
