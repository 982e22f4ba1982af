"""Philox4x32-10 on the CPU, many counters at once.

[Salmon2011] Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

One call turns a counter of four 32-bit words and a key of two into four random words. The counter here is
`(column // 4, row, generation, 0)` and word `column % 4` of the answer belongs to `column`, so a value depends on its
own address alone: not on the width of its tensor, on the block asked for or on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint32, uint64

MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
Word = np.uint32
HALF = np.uint64(32)


@njit(inline="always")
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """The four words that ten rounds make of one counter and one key [Salmon2011, Sec. 3.3]."""
    for _ in range(10):
        product_0 = MULTIPLIER_0 * uint64(c0)
        product_1 = MULTIPLIER_1 * uint64(c2)
        c0 = uint32(product_1 >> HALF) ^ c1 ^ k0
        c2 = uint32(product_0 >> HALF) ^ c3 ^ k1
        c1, c3 = uint32(product_1), uint32(product_0)
        k0, k1 = uint32(k0 + WEYL_0), uint32(k1 + WEYL_1)
    return c0, c1, c2, c3


@njit(cache=True, nogil=True)
def fill_words(key: np.ndarray, row: Word, first: int, generation: Word, words: np.ndarray) -> None:
    """Fills `words` (4 n,) uint32 with columns `4 first .. 4 (first + n)` of one row. The loop vectorises."""
    for c in range(words.size // 4):
        w0, w1, w2, w3 = philox(uint32(first + c), row, generation, uint32(0), key[0], key[1])
        words[4 * c] = w0
        words[4 * c + 1] = w1
        words[4 * c + 2] = w2
        words[4 * c + 3] = w3
