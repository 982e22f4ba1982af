"""The nearest subset of one size by meet in the middle: the small subsets of each half, grouped by size and sorted.

A subset is an integer with ten bits for each of its candidates, the number of the candidate plus one, so that halves
may be far larger than an integer has bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tombola.subset_sum._by_size import closest_sum, merge_back

SLOT = 10  # bits for a candidate's number


@njit(cache=True, nogil=True)
def small_sums(candidates: np.ndarray, most: int, sums: np.ndarray, subsets: np.ndarray) -> np.ndarray:
    """Fills `sums` and `subsets` with all subsets of up to `most`, by size and then by sum; where the groups start."""
    starts, lengths = np.zeros(most + 2, np.int64), np.zeros(most + 1, np.int64)
    count = 1
    for size in range(most + 1):
        starts[size + 1] = starts[size] + count
        count = count * (len(candidates) - size) // (size + 1)
    lengths[0] = 1
    sums[0], subsets[0] = 0.0, 0
    for i in range(len(candidates)):
        for size in range(min(i + 1, most), 0, -1):
            own, other = (starts[size], lengths[size]), (starts[size - 1], lengths[size - 1])
            merge_back(sums, subsets, own, other, (candidates[i], (i + 1) << SLOT * (size - 1)))
            lengths[size] += lengths[size - 1]
    return starts


@njit(cache=True, nogil=True)
def select(subset: int, first: int, chosen: np.ndarray) -> None:
    """Marks the candidates of a subset, numbered from `first`."""
    while subset:
        chosen[first + (subset & (1 << SLOT) - 1) - 1] = True
        subset >>= SLOT


@njit(cache=True, nogil=True)
def nearest_of_size(
    candidates: np.ndarray, targets: np.ndarray, size: int, entries: int, selection: np.ndarray
) -> None:
    """Adds the nearest subset of a size to every row of the selection, which must come in all False."""
    n = candidates.shape[1]
    half, size = (n + 1) // 2, min(size, n)
    sums, subsets = np.empty((2, entries)), np.empty((2, entries), np.int64)
    most = min(half, size), min(n - half, size)
    left = right = np.empty(0, np.int64)
    for row in range(len(targets)):
        if row == 0 or len(candidates) > 1:
            left = small_sums(candidates[row, :half], most[0], sums[0], subsets[0])
            right = small_sums(candidates[row, half:], most[1], sums[1], subsets[1])
        best, best_left, best_right = np.inf, 0, 0
        for inside in range(size - min(size, most[1]), most[0] + 1):
            a, b = left[inside], right[size - inside]
            ones, others = sums[0, a : left[inside + 1]], sums[1, b : right[size - inside + 1]]
            gap, i, j = closest_sum(ones, others, targets[row])
            if gap < best:
                best, best_left, best_right = gap, subsets[0, a + i], subsets[1, b + j]
        select(best_left, 0, selection[row])
        select(best_right, half, selection[row])
