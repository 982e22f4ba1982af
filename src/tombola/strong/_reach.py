"""Which units make every target of one pool reachable: a greedy choice on bit sets of reachable sums.

The sums that a pool reaches for one target are kept as a bit set on a grid of `CELLS` cells per tolerance, widened by
almost one tolerance on both sides, so that "some subset sum lies within the tolerance" is one bit. Adding an element is
`set |= set << shift`: its cost does not grow with the number of sums. Positions are rounded to the grid; what that
rounding lets through is found and repaired afterwards with the real values (`_adaptive.py`).
"""

from __future__ import annotations

import numpy as np
from numba import int32, njit, uint32, uint64

CELLS = 16  # grid cells per tolerance
BLIND = 2  # units taken unseen before the choice starts to matter
SCORED = 1024  # unsolved targets that a choice looks at: enough to choose well, few enough to stay in the cache
TILE = 16  # targets that fill one cache line


@njit(cache=True, nogil=True, inline="always")
def shift_or(words: np.ndarray, shift: int) -> None:
    """`words |= words << shift` on one long integer of 64-bit words, low word first; negative shifts go right."""
    size, whole = words.size, abs(shift) >> 6
    if whole >= size:
        return
    part = uint64(abs(shift) & 63)
    rest = uint64(63) - part  # shifted once more below, so that part == 0 shifts everything out
    if shift > 0:
        for w in range(size - 1, whole, -1):
            words[w] |= (words[w - whole] << part) | ((words[w - whole - 1] >> rest) >> uint64(1))
        words[whole] |= words[0] << part
    elif shift < 0:
        for w in range(size - whole - 1):
            words[w] |= (words[w + whole] >> part) | ((words[w + whole + 1] << rest) << uint64(1))
        words[size - 1 - whole] |= words[size - 1] >> part


@njit(cache=True, nogil=True, inline="always")
def holds(words: np.ndarray, index: int | np.ndarray) -> int | np.int32:
    """One bit, as 0 or 1; outside the grid it is 0."""
    if uint32(index) < uint32(64 * words.size):
        return int32((words[uint32(index) >> uint32(6)] >> uint64(uint32(index) & uint32(63))) & uint64(1))
    return int32(0)


@njit(cache=True, nogil=True)
def grid_elements(
    owner_values: np.ndarray, slots: np.ndarray, rows: np.ndarray, active: np.ndarray, scale: np.float32
) -> np.ndarray:
    """Elements `(targets, candidates)` int32 in grid cells.

    Args:
        owner_values: `(candidates,)` float32, the factor on the owner's edge.
        slots: `(candidates,)` where each candidate's row stands.
        rows: `(slots, all targets)` float32, the other factors.
        active: `(targets,)` the targets in question.
        scale: cells per unit.
    """
    cells = np.empty((active.size, slots.size), np.int32)
    for start in range(0, active.size, TILE):
        stop = min(active.size, start + TILE)
        for c in range(slots.size):
            row, factor = rows[slots[c]], owner_values[c] * scale
            for k in range(start, stop):
                cells[k, c] = int32(np.floor(row[active[k]] * factor + np.float32(0.5)))
    return cells


@njit(cache=True, nogil=True)
def most_solving(
    reach: np.ndarray,
    wanted: np.ndarray,
    unsolved: np.ndarray,
    cells: np.ndarray,
    taken: np.ndarray,
    score: np.ndarray,
) -> int:
    """The free candidate that brings most of the first unsolved targets within tolerance; the first one on a tie."""
    score[:] = 0
    for k in unsolved[:SCORED]:
        words, want, row = reach[k], wanted[k], cells[k]
        for c in range(row.size):
            score[c] += holds(words, want - row[c])
    best = -1
    for c in range(score.size):
        if not taken[c] and (best < 0 or score[c] > score[best]):
            best = c
    return best


@njit(cache=True, nogil=True)
def choose_units(
    wanted: np.ndarray, owned: np.ndarray, cells: np.ndarray, half: int, radius: int
) -> tuple[np.ndarray, bool]:
    """Candidates, in the order taken, that bring every target within tolerance of a subset sum. Heuristic (greedy).

    Args:
        wanted: `(targets,)` int32 positions of the targets, in cells.
        owned: `(targets, owned)` int32 elements that the pool has already.
        cells: `(targets, candidates)` int32 elements on offer.
        half: cells from the middle of the grid to either end, a multiple of 32.
        radius: tolerance in cells.

    Returns:
        Their numbers, int64; and whether all targets were reached (False: the candidates ran out).
    """
    reach = np.zeros((wanted.size, 2 * half // 64), np.uint64)
    for k in range(wanted.size):
        for cell in range(half - radius, half + radius + 1):
            reach[k, cell >> 6] |= uint64(1) << uint64(cell & 63)
        for u in range(owned.shape[1]):
            shift_or(reach[k], owned[k, u])
    target = wanted + int32(half)
    unsolved = np.array([k for k in range(wanted.size) if not holds(reach[k], target[k])], np.int64)
    taken, score = np.zeros(cells.shape[1], np.bool_), np.zeros(cells.shape[1], np.int32)
    order = np.empty(cells.shape[1], np.int64)
    count = 0
    while unsolved.size and count < order.size:
        blind = count + owned.shape[1] < BLIND
        best = count if blind else most_solving(reach, target, unsolved, cells, taken, score)
        taken[best] = True
        order[count] = best
        count += 1
        left = 0
        for k in unsolved:
            shift_or(reach[k], cells[k, best])
            if not holds(reach[k], target[k]):
                unsolved[left] = k
                left += 1
        unsolved = unsolved[:left]
    return order[:count], unsolved.size == 0
