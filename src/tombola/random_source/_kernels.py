"""The compiled loop behind `Source.block`: rows of random words, turned into values while they are in the cache."""

from __future__ import annotations

import numpy as np
from numba import njit, uint32

from ._philox import fill_words
from ._transform import fill_values


@njit(cache=True, nogil=True)
def fill_rows(
    key: np.ndarray,
    rows: np.ndarray,
    generation: int,
    span: tuple[int, int],
    skip: int,
    law: tuple[int, float, float],
    values: np.ndarray,
) -> None:
    """Fills `values` (rows, columns) float32.

    Args:
        key: `(2,)` uint32.
        rows: `(rows,)` uint32.
        generation: which draw.
        span: the first counter number, and the one after the last.
        skip: columns of the first counter that lie before the block.
        law: code and two parameters.
        values: filled in place.
    """
    words = np.empty(4 * (span[1] - span[0]), np.uint32)
    for r in range(rows.size):
        fill_words(key, rows[r], span[0], uint32(generation), words)
        fill_values(words[skip : skip + values.shape[1]], law[0], law[1], law[2], values[r])
