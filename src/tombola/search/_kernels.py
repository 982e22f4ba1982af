"""Compiled loops over scores: which are the largest, by counting first digits; and products under a mask."""

from __future__ import annotations

import numpy as np
from numba import njit, uint32

SHIFT, DIGITS = 18, 2**14  # the first digit of a key of 32 bits has 14
Word = np.uint32


@njit(inline="always")
def _key(bits: Word, absolute: bool) -> Word:
    """An integer of 32 bits that is larger where a float32 of these bits, or its modulus, is; zeros have the same."""
    if absolute:
        return uint32(bits & uint32(0x7FFFFFFF))
    plain = uint32(bits * uint32(bits != uint32(0x80000000)))  # -0.0 as 0.0; products, since branches cost more
    return uint32(plain ^ (uint32(0x80000000) + (plain >> uint32(31)) * uint32(0x7FFFFFFF)))


@njit(cache=True, nogil=True)
def count_digits(bits: np.ndarray, absolute: bool, counts: np.ndarray) -> None:
    """Adds to `counts` how many keys have each first digit.

    Args:
        bits: `(n,)` uint32, those of float32 scores.
        absolute: whether keys are those of moduli.
        counts: `(DIGITS,)` int64, changed in place.
    """
    for k in range(bits.size):
        counts[_key(bits[k], absolute) >> uint32(SHIFT)] += 1


@njit(cache=True, nogil=True)
def collect_keys(bits: np.ndarray, absolute: bool, digit: int, keys: np.ndarray, found: int) -> int:
    """Appends those keys with a first digit to the `found` that there are, and returns how many there are then.

    Args:
        bits: `(n,)` uint32, those of float32 scores.
        absolute: whether keys are those of moduli.
        digit: the first digit.
        keys: `(all,)` uint32, filled.
        found: how many of them are filled already.
    """
    wanted = uint32(digit)
    for k in range(bits.size):
        key = _key(bits[k], absolute)
        if uint32(key >> uint32(SHIFT)) == wanted:
            keys[found] = key
            found += 1
    return found


@njit(cache=True, nogil=True)
def fill_kept(bits: np.ndarray, absolute: bool, least: int, weight: np.ndarray, out: np.ndarray) -> None:
    """Fills `out` with the weights whose scores have a key of `least` or more, 0 elsewhere.

    Args:
        bits: `(n,)` uint32, those of float32 scores.
        absolute: whether keys are those of moduli.
        least: the smallest key that stays.
        weight: `(n,)` float32.
        out: `(n,)` float32, filled.
    """
    border = uint32(least)
    for k in range(bits.size):
        out[k] = weight[k] if _key(bits[k], absolute) >= border else np.float32(0)


@njit(cache=True, nogil=True)
def drop_equal(bits: np.ndarray, absolute: bool, least: int, staying: int, out: np.ndarray) -> int:
    """Puts zeros where the key of a score is `least`, but for the first `staying` of them; how many may still stay."""
    border = uint32(least)
    for k in range(bits.size):
        if _key(bits[k], absolute) == border:
            if staying:
                staying -= 1
            else:
                out[k] = np.float32(0)
    return staying


@njit(cache=True, nogil=True)
def fill_slopes(gradient: np.ndarray, slope: np.ndarray, scores: np.ndarray, out: np.ndarray) -> None:
    """Fills `out` with `gradient * slope * sign(scores)`, all `(n,)` float32."""
    for k in range(out.size):
        product = gradient[k] * slope[k]
        out[k] = product if scores[k] > 0 else (-product if scores[k] < 0 else np.float32(0) * product)
