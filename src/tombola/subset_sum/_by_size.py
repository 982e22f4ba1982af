"""The fewest candidates within a tolerance by meet in the middle: the sums of each half, grouped by how many they hold.

For one instance at a time, in float64, where the answer holds more candidates than a scan of all subsets can reach.
Cost: O(2^(n/2)) time per size that is tried, 2^(n/2) sums of 16 bytes for each half.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def group_starts(h: int) -> np.ndarray:
    """Where the subsets of 0, 1, ..., h of h candidates start in a list of all; the last entry is its length."""
    starts = np.zeros(h + 2, np.int64)
    count = 1
    for size in range(h + 1):
        starts[size + 1] = starts[size] + count
        count = count * (h - size) // (size + 1)
    return starts


@njit(cache=True, nogil=True)
def merge_back(
    sums: np.ndarray, masks: np.ndarray, own: tuple[int, int], other: tuple[int, int], step: tuple[float, int]
) -> None:
    """Merges group `own` = (start, length) with group `other` plus a step = (candidate, bit), into the place of `own`.

    From the back, so that nothing is overwritten that is still to be read.
    """
    start, left = own
    left, right = start + left - 1, other[0] + other[1] - 1
    for place in range(start + own[1] + other[1] - 1, start - 1, -1):
        if left >= start and (right < other[0] or sums[left] >= sums[right] + step[0]):
            sums[place], masks[place] = sums[left], masks[left]
            left -= 1
        else:
            sums[place], masks[place] = sums[right] + step[0], masks[right] | step[1]
            right -= 1


@njit(cache=True, nogil=True)
def grouped_sums(candidates: np.ndarray, sums: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Fills `sums` and `masks` with all subsets, by size and then by sum; where the groups start."""
    starts = group_starts(len(candidates))
    lengths = np.zeros(len(candidates) + 1, np.int64)
    lengths[0] = 1
    sums[0], masks[0] = 0.0, 0
    for i in range(len(candidates)):
        for size in range(i + 1, 0, -1):
            own, other = (starts[size], lengths[size]), (starts[size - 1], lengths[size - 1])
            merge_back(sums, masks, own, other, (candidates[i], 1 << i))
            lengths[size] += lengths[size - 1]
    return starts


@njit(cache=True, nogil=True)
def closest_sum(left: np.ndarray, right: np.ndarray, target: float) -> tuple[float, int, int]:
    """The pair of two sorted lists whose sum is closest to the target: its error and both places."""
    best, best_i, best_j = np.inf, 0, 0
    i, j = 0, len(right) - 1
    while i < len(left) and j >= 0:
        gap = left[i] + right[j] - target
        if abs(gap) < best:
            best, best_i, best_j = abs(gap), i, j
        below = gap < 0
        i += below
        j -= not below
    return best, best_i, best_j


@njit(cache=True, nogil=True)
def ordered_error(candidates: np.ndarray, target: float, mask: int) -> float:
    """|target - sum| of the candidates whose bit is set, added in ascending order of index as the record adds them."""
    total = 0.0
    for j in range(len(candidates)):
        if mask >> j & 1:
            total += candidates[j]
    return abs(target - total)


@njit(cache=True, nogil=True)
def fewest(
    candidates: np.ndarray, targets: np.ndarray, rows: np.ndarray, problem: tuple[float, int], selection: np.ndarray
) -> None:
    """Replaces the selection of each given row by one of the fewest candidates within a tolerance, if there is one.

    `problem` is (epsilon, the first size to try); sizes below it must be known to fail.
    """
    epsilon, first = problem
    n = candidates.shape[1]
    half = (n + 1) // 2
    sums, masks = np.empty((2, 1 << half)), np.empty((2, 1 << half), np.int64)
    for entry in range(len(rows)):
        row = int(rows[entry])
        pool, target = candidates[row if len(candidates) > 1 else 0], targets[row]
        left = grouped_sums(pool[:half], sums[0], masks[0])
        right = grouped_sums(pool[half:], sums[1], masks[1])
        for size in range(first, n + 1):
            best, best_mask = np.inf, 0
            for inside in range(max(0, size - (n - half)), min(half, size) + 1):
                a, b = left[inside], right[size - inside]
                ones, others = sums[0, a : left[inside + 1]], sums[1, b : right[size - inside + 1]]
                gap, i, j = closest_sum(ones, others, target)
                if gap < best:
                    best, best_mask = gap, masks[0, a + i] | masks[1, b + j] << half
            if ordered_error(pool, target, best_mask) <= epsilon:
                for j in range(n):
                    selection[row, j] = best_mask >> j & 1
                break
