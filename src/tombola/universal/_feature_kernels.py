"""Rows of features from tables of straight pieces; compiled on first use."""

from __future__ import annotations

import numba
import numpy as np

Lookup = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]


@numba.njit(cache=True, nogil=True, inline="always")
def _at(table: Lookup, x: float) -> float:
    first, points, values, slopes, scale = table
    cell = int((x - points[0]) * scale)
    piece = first[min(max(cell, 0), first.size - 1)]
    while piece > 0 and x < points[piece]:  # the grid may round to the next cell
        piece -= 1
    while piece < slopes.size - 1 and x > points[piece + 1]:
        piece += 1
    return values[piece] + slopes[piece] * (x - points[piece])  # pyright: ignore[reportReturnType] - a float once compiled


@numba.njit(cache=True, nogil=True)
def additive_rows(x: np.ndarray, table: Lookup, offset: int, out: np.ndarray) -> None:
    """Columns `offset ..` of `out`: the table at every input `(n, d)`."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, offset + j] = _at(table, x[i, j])


@numba.njit(cache=True, nogil=True)
def composed_rows(
    x: np.ndarray,
    before: Lookup,
    rows: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    after: Lookup,
    out: np.ndarray,
) -> None:
    """`out` `(n, k)`: a table, an affine map with a ReLU, and a table, of inputs `(n, d)`."""
    starts, columns, weights, biases = rows
    inner = np.empty(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            inner[j] = _at(before, x[i, j])
        for k in range(biases.size):
            z = biases[k]
            for edge in range(starts[k], starts[k + 1]):
                z += weights[edge] * inner[columns[edge]]
            out[i, k] = _at(after, max(z, 0.0))
