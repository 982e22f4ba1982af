"""Parts of matrices that may be large: taken without a copy where all of the matrix stays, or a block at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK = 2**20  # entries: as much as is copied at a time


def selected(matrix: np.ndarray, rows: np.ndarray | None = None, columns: np.ndarray | None = None) -> np.ndarray:
    """The matrix with these rows and columns only; itself, not a copy, if all stay.

    Args:
        matrix: `(m, n)`.
        rows: indices, or a mask `(m,)`; None for all.
        columns: likewise.

    Example:
        >>> matrix = np.eye(3)
        >>> selected(matrix, columns=np.array([True, False, True])).shape, selected(matrix, np.arange(3)) is matrix
        ((3, 2), True)
    """
    kept = [_indices(part, count) for part, count in zip((rows, columns), matrix.shape, strict=True)]
    if kept[0] is None:
        return matrix if kept[1] is None else matrix[:, kept[1]]
    return matrix[kept[0]] if kept[1] is None else matrix[np.ix_(kept[0], kept[1])]


def is_identity(indices: np.ndarray, count: int) -> bool:
    """Whether the indices are 0, 1, ..., count - 1."""
    return len(indices) == count and bool(np.array_equal(indices, np.arange(count)))


def blocks(matrix: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of a matrix in order, about a million entries at a time; at least one block, also of no rows."""
    height = max(1, BLOCK // max(1, matrix.shape[1]))
    for start in range(0, max(1, len(matrix)), height):
        yield matrix[start : start + height]


def _indices(part: np.ndarray | None, count: int) -> np.ndarray | None:
    """The part as indices; None if it is everything."""
    if part is None:
        return None
    indices = np.flatnonzero(part) if part.dtype == np.bool_ else part
    return None if is_identity(indices, count) else indices
