"""Random words to values of a law, on the CPU. `_torch.py` repeats these operations one for one on tensors."""

from __future__ import annotations

import math

import numpy as np
from numba import float32, float64, int32, njit, uint32

from ._tables import (
    CENTRE,
    EXP_SERIES,
    INVERSE_LN2,
    LN2_HIGH,
    LN2_LOW,
    LOG_SERIES,
    ROOT_START,
    ROOT_STEPS,
    SHOULDER,
    SQRT_HALF,
)


@njit(inline="always")
def horner(coefficients: np.ndarray, x: float) -> float:
    """A polynomial, highest power first, one rounding after each operation."""
    total = coefficients[0]
    for k in range(1, coefficients.size):
        total = total * x + coefficients[k]
    return total


@njit(cache=True, nogil=True)
def stable_log(x: float) -> float:
    """The logarithm of `natural_log`, compiled."""
    mantissa, exponent = math.frexp(x)
    if mantissa < SQRT_HALF:
        mantissa, exponent = mantissa * 2.0, exponent - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    return exponent * LN2_HIGH + (exponent * LN2_LOW + 2.0 * s * horner(LOG_SERIES, s * s))


@njit(cache=True, nogil=True)
def stable_exp(y: float) -> float:
    """The exponential from correctly rounded operations and one exact scaling."""
    whole = math.floor(y * INVERSE_LN2 + 0.5)
    rest = (y - whole * LN2_HIGH) - whole * LN2_LOW
    return math.ldexp(horner(EXP_SERIES, rest), int(whole))


@njit(cache=True, nogil=True)
def stable_root(x: float) -> float:
    """The square root of a number from 2 to 25 by Heron's method: not every library rounds its roots correctly."""
    root = ROOT_START[0] + ROOT_START[1] * x
    for _ in range(ROOT_STEPS):
        root = 0.5 * (root + x / root)
    return root


@njit(cache=True, nogil=True)
def normal_quantile(word: int) -> float:
    """The standard normal value at probability `(2 word + 1) / 2**33` [Wichura1988]."""
    q = (2.0 * float64(word) + 1.0) / 8589934592.0 - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * horner(CENTRE[0], r) / horner(CENTRE[1], r)
    r = stable_root(-stable_log(0.5 - abs(q)))
    shoulder = horner(SHOULDER[0], r - 1.6) / horner(SHOULDER[1], r - 1.6)
    return -shoulder if q < 0 else shoulder


@njit(cache=True, nogil=True)
def fill_values(words: np.ndarray, code: int, first: float, second: float, values: np.ndarray) -> None:
    """Fills `values` float32 from as many words; `code` and the two parameters name the law."""
    if code == 0:
        scale = float32(first)
        for k in range(values.size):
            values[k] = float32(int32(words[k] >> uint32(8)) * 2 - 16777215) * float32(5.9604644775390625e-08) * scale
    elif code == 1:
        for k in range(values.size):
            values[k] = float32(first * normal_quantile(words[k]))
    elif code == 2:
        for k in range(values.size):
            values[k] = float32(first) if words[k] >> uint32(31) else -float32(first)
    else:
        for k in range(values.size):
            fraction = (float64(words[k] & uint32(0x7FFFFFFF)) + 0.5) / 2147483648.0
            magnitude = float32(first * stable_exp(fraction * second))
            values[k] = magnitude if words[k] >> uint32(31) else -magnitude
