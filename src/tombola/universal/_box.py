"""The box that a table's columns fill, and the way from there to `[0, 1]^d`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDING = 1e-9  # of a column's width: how far outside a value may lie and still count as inside


def in_unit_box(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Values `(n, d)` as shares of a box from `low` to `high`, in `[0, 1]`; 0 in a column of no width.

    Values outside of the box are moved to its edge.

    Example:
        >>> values = np.array([[10.0, 7.0], [15.0, 7.0], [99.0, 8.0]])
        >>> in_unit_box(values, np.array([10.0, 7.0]), np.array([20.0, 7.0])).tolist()
        [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]
    """
    width = high / 2 - low / 2  # halves: the widest box that float64 can hold does not overflow
    distance = np.clip(values, low, high) / 2 - low / 2
    return np.divide(distance, width, out=np.zeros_like(distance), where=width > 0)


def is_outside(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Which of values `(n, d)` lie outside of a box by more than rounding, `(n, d)` bool.

    In a column of no width every other value does.
    """
    slack = ROUNDING * high - ROUNDING * low
    with np.errstate(over="ignore"):  # an edge beyond the largest number is rightly infinite
        return (values < low - slack) | (values > high + slack)


def first_outside(
    values: np.ndarray, outside: np.ndarray, low: np.ndarray, high: np.ndarray, names: Sequence[str]
) -> str:
    """How many values lie outside of a box, and the first of them, in words."""
    row, column = np.argwhere(outside)[0]
    return (
        f"{int(outside.sum())} of {outside.size} values of X lie outside of the box that fit learned, first "
        f"{float(values[row, column])!r} in column {names[column]!r} of row {row}, "
        f"which goes from {float(low[column])!r} to {float(high[column])!r}"
    )
