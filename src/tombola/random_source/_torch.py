"""Source values on any torch device: Philox4x32-10 and the laws in integer and float64 tensor operations.

The same bits as the CPU kernels of `_philox.py` and `_transform.py`, whose operations are repeated one for one.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from . import _tables as tables
from ._laws import Plain
from ._tables import LN2_HIGH, LN2_LOW

WORD = 0xFFFFFFFF


def words_on_device(key: tuple[int, int], rows: Tensor, counters: Tensor, generation: int) -> Tensor:
    """Random words `(rows, 4 * counters)` int64 in [0, 2**32), for rows and counter numbers given as int64 tensors."""
    c0 = counters.expand(rows.numel(), -1)
    c1 = rows[:, None].expand(-1, counters.numel())
    c2, c3 = torch.full_like(c0, generation), torch.zeros_like(c0)
    k0, k1 = key
    for _ in range(10):
        product_0, product_1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0 = ((product_1 >> 32) & WORD) ^ c1 ^ k0
        c2 = ((product_0 >> 32) & WORD) ^ c3 ^ k1
        c1, c3 = product_1 & WORD, product_0 & WORD
        k0, k1 = (k0 + 0x9E3779B9) & WORD, (k1 + 0xBB67AE85) & WORD
    return torch.stack([c0, c1, c2, c3], dim=2).reshape(rows.numel(), -1)


def values_on_device(words: Tensor, law: Plain) -> Tensor:
    """Values float32 of a law from words int64 of the same shape."""
    first, second = law.parameters
    negative = words < 2**31
    if law.code == 0:
        scale = torch.tensor(first, dtype=torch.float32, device=words.device)
        return ((words >> 8) * 2 - 16777215).to(torch.float32) * 2.0**-24 * scale
    if law.code == 1:
        return (_normal_quantile(words) * first).to(torch.float32)
    if law.code == 2:
        magnitude = torch.full(words.shape, first, dtype=torch.float32, device=words.device)
    else:
        fraction = ((words & 0x7FFFFFFF).to(torch.float64) + 0.5) / 2147483648.0
        magnitude = (_stable_exp(fraction * second) * first).to(torch.float32)
    return torch.where(negative, -magnitude, magnitude)


def _horner(coefficients: np.ndarray, x: Tensor) -> Tensor:
    first, *others = coefficients.tolist()
    total = torch.full_like(x, first)
    for coefficient in others:
        total = total * x + coefficient
    return total


def _stable_log(x: Tensor) -> Tensor:
    mantissa, exponent = torch.frexp(x)
    low = mantissa < tables.SQRT_HALF
    mantissa = torch.where(low, mantissa * 2.0, mantissa)
    power = (exponent - low.to(exponent.dtype)).to(torch.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    return power * LN2_HIGH + (power * LN2_LOW + s * 2.0 * _horner(tables.LOG_SERIES, s * s))


def _stable_exp(y: Tensor) -> Tensor:
    whole = torch.floor(y * tables.INVERSE_LN2 + 0.5)
    rest = (y - whole * LN2_HIGH) - whole * LN2_LOW
    # The bits of 2**whole; torch.ldexp would take it from a float32, which is too short a range.
    power = ((whole.to(torch.int64) + 1023) << 52).view(torch.float64)
    return _horner(tables.EXP_SERIES, rest) * power


def _stable_root(x: Tensor) -> Tensor:
    root = x * tables.ROOT_START[1] + tables.ROOT_START[0]
    for _ in range(tables.ROOT_STEPS):
        root = (root + x / root) * 0.5
    return root


def _normal_quantile(words: Tensor) -> Tensor:
    q = (words.to(torch.float64) * 2.0 + 1.0) / 8589934592.0 - 0.5
    r = 0.180625 - q * q
    centre = q * _horner(tables.CENTRE[0], r) / _horner(tables.CENTRE[1], r)
    # The branch that is not used is evaluated too; the clamp keeps its argument in range and changes no used value.
    s = _stable_root(-_stable_log((0.5 - q.abs()).clamp(min=2.0**-34))) - 1.6
    shoulder = _horner(tables.SHOULDER[0], s) / _horner(tables.SHOULDER[1], s)
    return torch.where(q.abs() <= 0.425, centre, torch.where(q < 0, -shoulder, shoulder))
