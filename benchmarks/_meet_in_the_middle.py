"""Baselines for the subset-sum solvers: the textbook algorithm, written as a good engineer would, and the usual others.

Horowitz and Sahni's meet in the middle: each half list is built in order by merging it with itself plus the next
candidate, values and masks together, in float32; two pointers then find the nearest pair.
"""

from itertools import combinations

import numpy as np
from numba import njit
from scipy.optimize import Bounds, LinearConstraint, milp


@njit(cache=True, nogil=True)
def merged(candidates, values, masks, spare_values, spare_masks):
    """All subset sums in order and their masks."""
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
    """The mask of the nearest subset of each row of float32 candidates, one row after the other."""
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


def errors_of_masks(candidates, targets, masks):
    """|target - sum| in float64."""
    selection = masks[:, None] >> np.arange(candidates.shape[1], dtype=np.uint64) & np.uint64(1)
    return np.abs(targets.astype(float) - (candidates.astype(float) * selection).sum(1))


def batched_meet_in_the_middle(candidates, targets):
    """The error of the nearest subset of each row, in NumPy: sorted half sums and one binary search for all rows."""
    m, n = candidates.shape
    half = n // 2
    bits = (np.arange(1 << half)[:, None] >> np.arange(half) & 1).astype(candidates.dtype)
    left = candidates[:, :half] @ bits.T
    right = np.sort(candidates[:, half : 2 * half] @ bits.T, axis=1)
    wanted = targets[:, None] - left
    apart = 2 * (np.abs(candidates).sum(1).max() + np.abs(targets).max() + 1)
    rows = np.arange(m)[:, None]
    flat = (right + apart * rows).ravel().astype(float)
    place = np.searchsorted(flat, (wanted + apart * rows).ravel()).reshape(m, -1) - rows * right.shape[1]
    gaps = [np.take_along_axis(right, np.clip(place - step, 0, right.shape[1] - 1), 1) - wanted for step in (0, 1)]
    return np.abs(gaps).min(axis=(0, 2))


def first_by_enumeration(candidates, target, epsilon):
    """How many candidates the smallest subset within epsilon holds, in plain Python; None if there is none."""
    pool = candidates.tolist()
    for size in range(len(pool) + 1):
        for subset in combinations(pool, size):
            if abs(target - sum(subset)) <= epsilon:
                return size
    return None


def sparsest_by_integer_program(candidates, target, epsilon):
    """The same by mixed-integer programming (HiGHS), to proven optimality."""
    n = len(candidates)
    within = LinearConstraint(candidates.astype(float)[None], target - epsilon, target + epsilon)
    found = milp(
        np.ones(n), constraints=within, integrality=np.ones(n), bounds=Bounds(0, 1), options={"mip_rel_gap": 0}
    )
    return None if found.x is None else round(found.fun)
