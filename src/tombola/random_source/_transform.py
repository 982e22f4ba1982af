"""Random words to values of a law, on the CPU. `_torch.py` repeats these operations one for one on tensors."""

from __future__ import annotations

import math

import numpy as np
from numba import float32, float64, int32, njit, uint32

from ._laws import LN2_HIGH, LN2_LOW

LOG_SERIES = np.array([1 / odd for odd in range(21, 0, -2)])
EXP_SERIES = np.array([1 / math.factorial(k) for k in range(13, -1, -1)])
INVERSE_LN2 = 1.4426950408889634
SQRT_HALF = math.sqrt(0.5)

# Numerators and denominators of AS 241 [Wichura1988], highest power first: the centre, the shoulders, the far tails.
CENTRE = np.array(
    [
        [2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457]
        + [13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608],
        [5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867]
        + [5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0],
    ]
)
SHOULDER = np.array(
    [
        [7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258]
        + [3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734],
        [1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459]
        + [0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0],
    ]
)
TAIL = np.array(
    [
        [2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093]
        + [0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772],
        [2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4]
        + [0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0],
    ]
)


@njit(inline="always")
def horner(coefficients, x):  # noqa: ANN001, ANN201 - numba infers
    """A polynomial, highest power first, one rounding after each operation."""
    total = coefficients[0]
    for k in range(1, coefficients.size):
        total = total * x + coefficients[k]
    return total


@njit(cache=True, nogil=True)
def stable_log(x):  # noqa: ANN001, ANN201 - numba infers
    """The logarithm of `natural_log`, compiled."""
    mantissa, exponent = math.frexp(x)
    if mantissa < SQRT_HALF:
        mantissa, exponent = mantissa * 2.0, exponent - 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    return exponent * LN2_HIGH + (exponent * LN2_LOW + 2.0 * s * horner(LOG_SERIES, s * s))


@njit(cache=True, nogil=True)
def stable_exp(y):  # noqa: ANN001, ANN201 - numba infers
    """The exponential from correctly rounded operations and one exact scaling."""
    whole = math.floor(y * INVERSE_LN2 + 0.5)
    rest = (y - whole * LN2_HIGH) - whole * LN2_LOW
    return math.ldexp(horner(EXP_SERIES, rest), int32(whole))


@njit(cache=True, nogil=True)
def normal_quantile(word):  # noqa: ANN001, ANN201 - numba infers
    """The standard normal value at probability `(2 word + 1) / 2**33` [Wichura1988]."""
    q = (2.0 * float64(word) + 1.0) / 8589934592.0 - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * horner(CENTRE[0], r) / horner(CENTRE[1], r)
    r = math.sqrt(-stable_log(0.5 - abs(q)))
    if r <= 5.0:
        tail = horner(SHOULDER[0], r - 1.6) / horner(SHOULDER[1], r - 1.6)
    else:
        tail = horner(TAIL[0], r - 5.0) / horner(TAIL[1], r - 5.0)
    return -tail if q < 0 else tail


@njit(cache=True, nogil=True)
def fill_values(words, code, first, second, values):  # noqa: ANN001, ANN201 - numba infers
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
