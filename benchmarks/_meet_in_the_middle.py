"""The baselines: meet in the middle as one would write it, and the other ways to solve a subset sum that people use."""

from itertools import combinations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def merged(candidates, values, masks, spare_values, spare_masks):
    """Fills `values` and `masks` with all subset sums in order, merging the list with itself plus each candidate."""
    values[0], masks[0] = 0, 0
    length = 1
    for index in range(len(candidates)):
        step, bit = candidates[index], np.uint32(1 << index)
        i = j = 0
        for k in range(2 * length):
            if j >= length or (i < length and values[i] <= values[j] + step):
                spare_values[k], spare_masks[k] = values[i], masks[i]
                i += 1
            else:
                spare_values[k], spare_masks[k] = values[j] + step, masks[j] | bit
                j += 1
        values, spare_values = spare_values, values
        masks, spare_masks = spare_masks, masks
        length *= 2
    return values, masks


@njit(cache=True, nogil=True)
def nearest_pair(left, right, target):
    """Two pointers, one from the bottom of `left` and one from the top of `right`."""
    i, j = 0, len(right) - 1
    best, best_i, best_j = np.float32(np.inf), 0, 0
    while i < len(left) and j >= 0:
        gap = left[i] + right[j] - target
        if abs(gap) < best:
            best, best_i, best_j = abs(gap), i, j
        if gap < 0:
            i += 1
        else:
            j -= 1
    return best_i, best_j


@njit(cache=True, nogil=True)
def meet_in_the_middle(candidates, targets):
    """The mask of the nearest subset of each row of float32 candidates [Horowitz1974], one row after the other."""
    m, n = candidates.shape
    half = n // 2
    size = 1 << (n - half)
    values, masks = np.empty((4, size), np.float32), np.empty((4, size), np.uint32)
    result = np.empty(m, np.uint64)
    for row in range(m):
        a, a_masks = merged(candidates[row, :half], values[0], masks[0], values[1], masks[1])
        b, b_masks = merged(candidates[row, half:], values[2], masks[2], values[3], masks[3])
        i, j = nearest_pair(a[: 1 << half], b[: 1 << (n - half)], targets[row])
        result[row] = np.uint64(a_masks[i]) | np.uint64(b_masks[j]) << np.uint64(half)
    return result
