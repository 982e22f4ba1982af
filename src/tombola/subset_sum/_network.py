"""The exact nearest subset sum, eight instances at a time, without a branch or an address that depends on data.

Meet in the middle [Horowitz1974] asks for the sums of the two halves of a pool in order. Here both are sorted by
bitonic merges [Batcher1968], whose comparisons are the same for every instance, so eight instances share each vector
instruction. The pair nearest to the target is a pair of neighbours, one of each kind, once the sums of the left half
are merged with (target - sums of the right half); the lowest bit tells the kinds apart.

The grid has 62 bits and its scale is a power of two: what is rounded is only the part of a candidate that lies below
2^-62 of the sum of all magnitudes.

- Horowitz1974: Horowitz and Sahni, "Computing partitions with applications to the knapsack problem", J. ACM 21.
- Batcher1968: Batcher, "Sorting networks and their applications", AFIPS 32.
"""

from __future__ import annotations

from math import frexp, ldexp

import numpy as np
from numba import njit

from tombola.subset_sum._grid import load, on_grid
from tombola.subset_sum._sorting import LANES, compare_neighbours, merge_halves, sorted_sums

STEPS = 2.0**62 - 2.0**16  # one bit of 64 for the sign, one for the kind


@njit(cache=True, nogil=True)
def nearest_pair(merged: np.ndarray, pair: np.ndarray) -> None:
    """The closest neighbours of different kind in every lane: the one of the left half (even), the one of the right.

    The last row of `merged` must repeat the one before it.
    """
    pair[0] = -1  # the largest gap, as it is compared without sign
    for row in range(0, len(merged) - 1, 4):
        compare_neighbours(merged, row, pair)
    for lane in range(LANES):
        gap, low = pair[0, lane], pair[1, lane]
        pair[0, lane], pair[1, lane] = (low + gap, low) if low & 1 else (low, low + gap)


@njit(cache=True, nogil=True)
def subset_of(total: np.ndarray, steps: np.ndarray, wanted: np.ndarray, found: np.ndarray) -> None:
    """A subset of `steps` that, added to `total`, gives `wanted`, as bits, by stepping through all in Gray code."""
    found[:] = 0
    for count in range(1, 1 << len(steps)):
        mask = count ^ count >> 1
        flipped = mask ^ (count - 1) ^ (count - 1) >> 1
        step = 0
        while flipped >> step > 1:
            step += 1
        sign = 1 if mask & flipped else -1
        for lane in range(LANES):
            total[lane] += sign * steps[step, lane]
            found[lane] = mask if total[lane] == wanted[lane] else found[lane]


@njit(cache=True, nogil=True)
def nearest_group(
    problem: tuple[np.ndarray, np.ndarray, np.ndarray], rows: np.ndarray, selection: np.ndarray, merged: np.ndarray
) -> None:
    """The nearest subsets of at most `LANES` rows; `merged` is workspace for the sums of both halves."""
    candidates, targets, span = problem
    n, half = candidates.shape[1], (candidates.shape[1] + 1) // 2
    steps = np.zeros((2 * half, LANES), np.int64)
    start = np.zeros((2, LANES), np.int64)
    for lane in range(len(rows)):
        row = int(rows[lane])
        scale = ldexp(0.5, frexp(STEPS / span[row])[1])
        load(candidates, row if len(candidates) > 1 else 0, scale, steps, lane)
        start[1, lane] = on_grid(targets[row], scale)
    start[1] = 2 * start[1] + 1  # the lowest bit marks what came from the right half
    steps[:half] *= 2
    steps[half:] *= -2
    middle = len(merged) // 2  # rounded down: the last row is no sum
    for side in range(2):
        merged[side * middle] = start[side]
        sorted_sums(merged[side * middle : (side + 1) * middle], steps[side * half : (side + 1) * half])
    merge_halves(merged[:-1])
    merged[-1] = merged[-2]
    wanted, found = np.zeros((2, LANES), np.int64), np.zeros((2, LANES), np.int64)
    nearest_pair(merged, wanted)
    for side in range(2):
        subset_of(start[side], steps[side * half : (side + 1) * half], wanted[side], found[side])
    for lane in range(len(rows)):
        for j in range(n):
            selection[rows[lane], j] = found[j // half, lane] >> j % half & 1


@njit(cache=True, nogil=True)
def nearest_rows(problem: tuple[np.ndarray, np.ndarray, np.ndarray], rows: np.ndarray, selection: np.ndarray) -> None:
    """Marks in `selection` the nearest subset of each of the given rows; `problem` is (candidates, targets, spans).

    O(2^(n/2) n) vector operations per eight rows and 2^(n/2 + 7) bytes: 512 KB for n = 24, 134 MB for n = 40.
    """
    half = (problem[0].shape[1] + 1) // 2
    merged = np.empty(((2 << half) + 1, LANES), np.int64)
    for start in range(0, len(rows), LANES):
        nearest_group(problem, rows[start : start + LANES], selection, merged)
