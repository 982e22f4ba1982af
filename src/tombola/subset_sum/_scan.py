"""Subsets of at most six candidates, by size: all of one size before any of the next, many instances at a time.

Instances are searched `LANES` at a time on an integer grid of 30 bits; those that a size solves leave, the others are
packed together again for the next size. Cost: O(C(n, k)) vector steps per size k that is reached.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numba import njit

from tombola.subset_sum._grid import load, on_grid
from tombola.subset_sum._offer import BEST, CODE, LANES, REST, offer_pairs

STEPS = 2.0**30 - 64.0  # the grid; the margin takes the half steps that rounding up to 64 entries can add
HUGE = np.int32(2**31 - 1)
LARGEST_SIZE = 6  # a code holds all indices but the last, six bits each

Problem: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, float]
"""Candidates `(m or 1, n)`, targets `(m,)`, spans `(m,)` and epsilon."""
Space: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Pool, workspace, tolerances in steps, whether a lane is solved, and room for a list of lanes."""


@njit(cache=True, nogil=True)
def advance(index: np.ndarray, last: int) -> int:
    """Moves ascending indices to the next choice, the last one at most `last`; the first that moved, -1 at the end."""
    moved = len(index) - 1
    while moved >= 0 and index[moved] == last - len(index) + 1 + moved:
        moved -= 1
    if moved >= 0:
        index[moved] += 1
        for later in range(moved + 1, len(index)):
            index[later] = index[later - 1] + 1
    return moved


@njit(cache=True, nogil=True)
def pack(index: np.ndarray) -> int:
    """The code of a list of indices."""
    code = 0
    for d in range(len(index)):
        code |= index[d] << 6 * d
    return code


@njit(cache=True, nogil=True)
def search(pool: np.ndarray, work: np.ndarray, size: int) -> None:
    """The best subset of exactly `size` candidates in every lane: its distance in steps and the code of its indices.

    Row 0 of the pool is zeros, candidate j is row j + 1: a subset of one is a pair with row 0. What is left of the
    target after d choices is in row `REST + d` of the workspace.
    """
    n = len(pool) - 1
    work[BEST, :] = HUGE
    if size == 1:
        offer_pairs(pool, 0, 1, work, REST, 0, 1)
        return
    index = np.arange(1, size - 1)
    moved = 0
    while moved >= 0:
        for d in range(moved, len(index)):
            candidate = index[d]
            for lane in range(LANES):
                work[REST + d + 1, lane] = np.int32(work[REST + d, lane] - pool[candidate, lane])
        first = index[-1] + 1 if size > 2 else 1
        offer_pairs(pool, first, n, work, REST + len(index), pack(index), 1 << 6 * len(index))
        moved = advance(index, n - 2)


@njit(cache=True, nogil=True)
def last_of(pool: np.ndarray, work: np.ndarray, lane: int, size: int) -> int:
    """The row of the pool that completes the code of a lane: the one that leaves the distance that was found."""
    rest, last = work[REST, lane], 0
    for d in range(size - 1):
        last = work[CODE, lane] >> 6 * d & 63
        rest -= pool[last, lane]
    last += 1
    while abs(rest - pool[last, lane]) != work[BEST, lane]:
        last += 1
    return last


@njit(cache=True, nogil=True)
def search_exactly(pool: np.ndarray, target: float, size: int) -> tuple[float, int, int]:
    """The smallest float64 error of exactly `size` candidates, added in order; the code of all but the last; the last.

    Candidate j is index j + 1, as in the codes of `search`.
    """
    index = np.arange(1, size)
    best, best_code, best_last, moved = np.inf, 0, 0, 0
    while moved >= 0:
        total = 0.0
        for d in range(size - 1):
            total += pool[index[d] - 1]
        for last in range(index[-1] + 1 if size > 1 else 1, len(pool) + 1):
            error = abs(target - (total + pool[last - 1]))
            if error < best:
                best, best_code, best_last = error, pack(index), last
        moved = advance(index, len(pool) - 1)
    return best, best_code, best_last


@njit(cache=True, nogil=True)
def blur(size: int) -> float:
    """How many steps a distance may be off: half a step per entry, and more than what float64 rounds."""
    return 0.5 * (size + 1) + 0.1


@njit(cache=True, nogil=True)
def close_lanes(distances: np.ndarray, limit: np.ndarray, size: int, solved: np.ndarray, lanes: np.ndarray) -> int:
    """Lists the unsolved lanes that may be within the tolerance, `limit` in steps; how many.

    Without a branch, since which lanes these are cannot be predicted.
    """
    count = 0
    for lane in range(LANES):
        lanes[count] = lane
        count += (distances[lane] - blur(size) <= limit[lane] * (1 + 1e-9)) & (not solved[lane])
    return count


@njit(cache=True, nogil=True)
def load_group(problem: Problem, rows: np.ndarray, pool: np.ndarray, work: np.ndarray, limit: np.ndarray) -> None:
    """Lays at most `LANES` rows on their grids: the pool from row 1 on, the targets in `work`, the tolerances."""
    candidates, targets, span, epsilon = problem
    below_zeros = pool[1:]
    for lane in range(len(rows)):
        row = int(rows[lane])
        scale = STEPS / float(span[row])
        load(candidates, row if len(candidates) > 1 else 0, scale, below_zeros, lane)
        work[REST, lane] = on_grid(targets[row], scale)
        limit[lane] = epsilon * scale


@njit(cache=True, nogil=True)
def mark(selection: np.ndarray, row: int, code: int, last: int, size: int) -> None:
    """Selects the candidates of a code and the last one."""
    for d in range(size - 1):
        selection[row, (code >> 6 * d & 63) - 1] = True
    selection[row, last - 1] = True


@njit(cache=True, nogil=True)
def settle(problem: Problem, rows: np.ndarray, size: int, selection: np.ndarray, space: Space) -> None:
    """Marks the subsets of this size that are within the tolerance and notes which lanes they solve.

    Where the grid cannot tell, all subsets of this size are searched again in float64.
    """
    candidates, targets, _, epsilon = problem
    pool, work, limit, solved, lanes = space
    for entry in range(close_lanes(work[BEST], limit, size, solved, lanes)):
        lane = lanes[entry]
        row, code, last = int(rows[lane]), int(work[CODE, lane]), last_of(pool, work, lane, size)
        solved[lane] = True
        if work[BEST, lane] + blur(size) > limit[lane] * (1 - 1e-9):
            one = candidates[row if len(candidates) > 1 else 0]
            error, code, last = search_exactly(one, targets[row], size)
            solved[lane] = error <= epsilon
        if solved[lane]:
            mark(selection, row, code, last, size)


@njit(cache=True, nogil=True)
def scan_group(problem: Problem, rows: np.ndarray, sizes: tuple[int, int], selection: np.ndarray, space: Space) -> int:
    """Searches at most `LANES` rows for the sizes from `sizes[0]` to `sizes[1]`.

    Returns:
        How many rows remain; they are moved to the front of `rows`.
    """
    pool, work, limit, solved, _ = space
    load_group(problem, rows, pool, work, limit)
    solved[: len(rows)] = False
    solved[len(rows) :] = True
    for size in range(sizes[0], min(sizes[1], len(pool) - 1) + 1):
        search(pool, work, size)
        settle(problem, rows, size, selection, space)
    left = 0
    for lane in range(len(rows)):
        rows[left] = rows[lane]
        left += not solved[lane]
    return left


@njit(cache=True, nogil=True)
def scan(problem: Problem, selection: np.ndarray, pending: np.ndarray) -> np.ndarray:
    """Marks in `selection` the best subset of the fewest candidates, up to six, for the rows `pending`.

    `pending` is reordered.

    Returns:
        The rows that no subset of one to six candidates brings within the tolerance.
    """
    pool = np.zeros((problem[0].shape[1] + 1, LANES), np.int32)
    work = np.zeros((REST + LARGEST_SIZE - 1, LANES), np.int32)
    space = pool, work, np.zeros(LANES), np.zeros(LANES, np.bool_), np.zeros(LANES + 1, np.int64)
    count, first = len(pending), 1
    while first <= LARGEST_SIZE:
        last = max(first, 2)
        left = 0
        for start in range(0, count, LANES):
            rows = pending[start : min(start + LANES, count)]
            kept = scan_group(problem, rows, (first, last), selection, space)
            for entry in range(kept):
                pending[left + entry] = rows[entry]
            left += kept
        count, first = left, last + 1
    return pending[:count]
