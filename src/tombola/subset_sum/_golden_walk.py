"""The walk of the golden-ratio greedy down its bins, as a compiled loop."""

from __future__ import annotations

from math import floor, log

import numpy as np
from numba import njit

from tombola.subset_sum._golden_bins import LOG_PHI

BINS = 256  # below the target's own; phi^-256 is 3e-54


@njit(cache=True, nogil=True)
def first_of_bins(pool: np.ndarray, sign: float, top: int, first: np.ndarray) -> None:
    """Which candidate of a sign comes first in each of the bins from `top` downwards, -1 for none."""
    first[:] = -1
    for j in range(len(pool) - 1, -1, -1):
        size = sign * pool[j]
        if size > 0:
            place = floor(-log(size) / LOG_PHI) - top
            if 0 <= place < len(first):
                first[place] = j


@njit(cache=True, nogil=True)
def walk_bins(candidates: np.ndarray, targets: np.ndarray, epsilon: float, selection: np.ndarray) -> None:
    """Adds to the selection of every row what the walk takes; it must come in all False."""
    first = np.empty(BINS, np.int64)
    for row in range(len(targets)):
        rest = abs(targets[row])
        if rest <= epsilon:
            continue
        pool = candidates[row if len(candidates) > 1 else 0]
        first_of_bins(pool, np.sign(targets[row]), floor(1 - log(rest) / LOG_PHI), first)
        for place in range(BINS):
            if rest <= epsilon:
                break
            if first[place] >= 0 and abs(pool[first[place]]) <= rest:
                selection[row, first[place]] = True
                rest -= abs(pool[first[place]])
