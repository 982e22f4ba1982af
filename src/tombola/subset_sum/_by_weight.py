"""The lightest subset within a tolerance by meet in the middle: a minimum of weights over a sliding window of sums.

A subset that is known to do bounds the weight of the answer. Partial subsets above the bound are dropped as the lists
of the two halves grow, which leaves little of the 2^(n/2) sums unless the target is far out.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tombola.subset_sum._by_size import ordered_error

SLACK = 1.0 + 1e-12  # far above the rounding of a sum of 40 magnitudes, so that no equal weight is dropped


@njit(cache=True, nogil=True)
def bounded_sums(
    steps: tuple[np.ndarray, np.ndarray], bound: float, sums: np.ndarray, weights: np.ndarray, masks: np.ndarray
) -> int:
    """Fills the lists with the subsets of weight at most `bound`, in order of their sum; how many there are.

    `steps` is the candidates and the bits that stand for them. The list so far is merged with itself plus a candidate,
    from the back and in place, then stripped of what is too heavy.
    """
    values, bits = steps
    sums[0], weights[0], masks[0] = 0.0, 0.0, 0
    length = 1
    for j in range(len(values)):
        value, bit = values[j], bits[j]
        left, right = length - 1, length - 1
        for place in range(2 * length - 1, -1, -1):
            if left >= 0 and (right < 0 or sums[left] >= sums[right] + value):
                sums[place], weights[place], masks[place] = sums[left], weights[left], masks[left]
                left -= 1
            else:
                sums[place], weights[place] = sums[right] + value, weights[right] + abs(value)
                masks[place] = masks[right] | bit
                right -= 1
        kept = 0
        for place in range(2 * length):
            if weights[place] <= bound:
                sums[kept], weights[kept], masks[kept] = sums[place], weights[place], masks[place]
                kept += 1
        length = kept
    return length


@njit(cache=True, nogil=True)
def lightest_pair(
    left: tuple[np.ndarray, np.ndarray, np.ndarray],
    right: tuple[np.ndarray, np.ndarray, np.ndarray],
    pool: np.ndarray,
    problem: tuple[float, float, float],
    window: np.ndarray,
) -> int:
    """The bits of the lightest pair of partial subsets within the tolerance that beats the bound, or -1.

    `left` and `right` are (sums, weights, bits), `problem` is (target, epsilon, bound). As the left sum grows, the
    right sums that fit form a window that slides down; `window` holds those of its places that may still be lightest.
    """
    sums, weights, masks = left
    other_sums, other_weights, other_masks = right
    target, epsilon, best = problem
    best_mask, head, tail, enter = -1, 0, 0, len(other_sums) - 1
    for i in range(len(sums)):
        while enter >= 0 and sums[i] + other_sums[enter] - target >= -epsilon:
            while tail > head and other_weights[window[tail - 1]] >= other_weights[enter]:
                tail -= 1
            window[tail] = enter
            tail += 1
            enter -= 1
        while tail > head and sums[i] + other_sums[window[head]] - target > epsilon:
            head += 1
        if tail > head and weights[i] + other_weights[window[head]] < best:
            mask = masks[i] | other_masks[window[head]]
            if ordered_error(pool, target, mask) <= epsilon:
                best, best_mask = weights[i] + other_weights[window[head]], mask
    return best_mask


@njit(cache=True, nogil=True)
def lighten(
    candidates: np.ndarray, targets: np.ndarray, rows: np.ndarray, epsilon: float, selection: np.ndarray
) -> None:
    """Replaces the selection of each given row, which must be within the tolerance, by a lightest one that is."""
    n = candidates.shape[1]
    size = 1 << (n + 1) // 2
    sums, weights, masks = np.empty((2, size)), np.empty((2, size)), np.empty((2, size), np.int64)
    values, bits, window = np.empty((2, n)), np.empty((2, n), np.int64), np.empty(size, np.int64)
    for entry in range(len(rows)):
        row = int(rows[entry])
        pool = candidates[row if len(candidates) > 1 else 0]
        bound = 0.0
        for j in range(n):
            bound += abs(pool[j]) if selection[row, j] else 0.0
        used = 0
        for j in range(n):
            if 0 < abs(pool[j]) <= bound:
                values[used % 2, used // 2], bits[used % 2, used // 2] = pool[j], 1 << j
                used += 1
        lists = np.empty(2, np.int64)
        for side in range(2):
            steps = values[side, : (used + 1 - side) // 2], bits[side, : (used + 1 - side) // 2]
            lists[side] = bounded_sums(steps, bound * SLACK, sums[side], weights[side], masks[side])
        a, b = lists[0], lists[1]
        left, right = (sums[0, :a], weights[0, :a], masks[0, :a]), (sums[1, :b], weights[1, :b], masks[1, :b])
        mask = lightest_pair(left, right, pool, (targets[row], epsilon, bound), window)
        for j in range(n if mask >= 0 else 0):
            selection[row, j] = mask >> j & 1
