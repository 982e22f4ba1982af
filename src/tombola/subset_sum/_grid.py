"""Pools of candidates as integers, side by side, so that one vector instruction works on several instances.

Every instance has its own grid: candidates and target are multiplied by `scale` and rounded to integers such that no
partial sum, and no distance of one to the target, leaves the range. Sums and differences of integers are exact in any
order; all that is rounded is the entries, so a sum of k candidates against the target is off by at most (k + 1) / 2
steps of 1 / scale. Searches settle in float64 what lies that close to a tolerance.

A pool of n candidates of `lanes` instances is an array `(n, lanes)`.
"""

from __future__ import annotations

from math import floor

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def reach(candidates: np.ndarray, row: int) -> tuple[float, float]:
    """The lowest and the highest sum of any subset of one pool: all negative candidates, all positive ones."""
    low, high = 0.0, 0.0
    for j in range(candidates.shape[1]):
        low += min(candidates[row, j], 0.0)
        high += max(candidates[row, j], 0.0)
    return low, high


@njit(cache=True, nogil=True)
def on_grid(number: float, scale: float) -> int:
    """The nearest step."""
    return floor(number * scale + 0.5)


@njit(cache=True, nogil=True)
def load(candidates: np.ndarray, row: int, scale: float, pool: np.ndarray, lane: int) -> None:
    """Writes one pool, rounded to its grid, into one lane."""
    for j in range(candidates.shape[1]):
        pool[j, lane] = on_grid(candidates[row, j], scale)


@njit(cache=True, nogil=True)
def triage(
    candidates: np.ndarray, targets: np.ndarray, epsilon: float, selection: np.ndarray
) -> tuple[bool, np.ndarray, np.ndarray]:
    """Answers the rows that need no search in `selection`, which must come in all False, and lists the others.

    No search: targets within `epsilon` of zero (the empty set), and those beyond the reach of every subset by more than
    `epsilon` (all candidates of one sign).

    Returns:
        Whether all numbers were finite; the rows to search; and for every row the span of its grid, which no partial
        sum and no distance of one to the target exceeds, or infinity for a pool too small to be told from zeros.
    """
    pending, span = np.empty(len(targets), np.int64), np.empty(len(targets))
    count = 0
    for row in range(len(targets)):
        pool = row if len(candidates) > 1 else 0
        low, high = reach(candidates, pool)
        target = targets[row]
        span[row] = high - low + max(target - high, low - target, 0.0)
        if not span[row] < np.inf:
            return False, pending[:0], span
        span[row] = span[row] if span[row] > 1e-280 else np.inf
        if target - high > epsilon or low - target > epsilon:
            for j in range(candidates.shape[1]):
                selection[row, j] = candidates[pool, j] > 0 if target > high else candidates[pool, j] < 0
        elif abs(target) > epsilon:
            pending[count] = row
            count += 1
    return True, pending[:count], span


@njit(cache=True, nogil=True)
def evaluate(
    candidates: np.ndarray, targets: np.ndarray, selection: np.ndarray, value: np.ndarray, error: np.ndarray
) -> None:
    """Fills the record's sums, in float64 and in ascending order of index, and drops selected zeros."""
    for row in range(len(targets)):
        pool = row if len(candidates) > 1 else 0
        total = 0.0
        for j in range(candidates.shape[1]):
            if selection[row, j]:
                total += candidates[pool, j]
                selection[row, j] = candidates[pool, j] != 0
        value[row] = total
        error[row] = abs(targets[row] - total)
