"""Philox4x32-10 and the laws once more, in plain NumPy: the second opinion that `verify` asks.

Written apart from the compiled kernels on purpose; it shares with what builds tickets nothing but the published tables
of numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np

from .random_source import Law, LogUniform, Mirrored, Normal, Plain, Uniform, _tables
from .ticket import MaskedTensor, OwnerMask, Ticket, first_block

MASK, SHIFT = np.uint64(0xFFFFFFFF), np.uint64(32)


def reference_words(key: tuple[int, int], row: np.ndarray, column: np.ndarray, generation: int) -> np.ndarray:
    """The random word of every address `(row, column)`, as uint64; the two arrays broadcast."""
    words = np.broadcast_arrays(*_counted(key, row, np.asarray(column) // 4, generation))
    return np.choose(np.broadcast_to(np.asarray(column) % 4, words[0].shape), words)


def _counted(key: tuple[int, int], row: np.ndarray, counter: np.ndarray, generation: int) -> list[np.ndarray]:
    """The four words of every row and counter number [Salmon2011, Sec. 3.3]."""
    c0, c1 = np.asarray(counter, np.uint64), np.asarray(row, np.uint64)
    c2, c3 = np.full((), generation, np.uint64), np.zeros((), np.uint64)
    for number in range(10):
        left, right = c0 * np.uint64(3528531795), c2 * np.uint64(3449720151)
        low, high = ((start + number * step) % 2**32 for start, step in zip(key, (2654435769, 3144134277), strict=True))
        c0, c2 = (right >> SHIFT) ^ c1 ^ np.uint64(low), (left >> SHIFT) ^ c3 ^ np.uint64(high)
        c1, c3 = right & MASK, left & MASK
    return [c0, c1, c2, c3]


def reference_edges(ticket: Ticket, name: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `effective.kept_edges`: rows, columns and float32 values of the kept edges in some rows of a tensor."""
    tensor, source = ticket.tensors[name], ticket.source
    rows, columns = tensor.mask.edges(start, stop)
    if tensor.law is None or source is None:
        return rows, columns, ticket.values[name][rows, columns]
    key = _key(source.seed, name)
    if tensor.generations:
        generations = source.generation + _times_drawn_again(tensor, rows, columns)
        return rows, columns, _each_of_its_own(key, tensor.law, rows, columns, generations)
    if isinstance(tensor.law, Mirrored):
        values = reference_values(reference_words(key, rows // 2, columns, source.generation), tensor.law.base)
        return rows, columns, np.where(rows % 2 == 1, -values, values)
    if isinstance(tensor.mask, OwnerMask):
        words = reference_words(key, rows, columns, source.generation)
    else:
        counters = np.arange(-(-tensor.mask.shape[1] // 4))
        block = np.stack(_counted(key, np.arange(start, stop)[:, None], counters, source.generation), axis=2)
        words = block.reshape(stop - start, -1)[rows - start, columns]
    return rows, columns, reference_values(words, tensor.law)


def reference_first_block(ticket: Ticket, name: str) -> np.ndarray:
    """The values float32 whose hash pins a tensor: those of `ticket.first_block`."""
    tensor, source = ticket.tensors[name], ticket.source
    if tensor.law is None or source is None:
        return ticket.values[name]
    rows, columns = (np.arange(size) for size in first_block(tensor))
    if tensor.generations:
        row, column = (place.ravel() for place in np.meshgrid(rows, columns, indexing="ij"))
        generations = source.generation + _times_drawn_again(tensor, row, column)
        values = _each_of_its_own(_key(source.seed, name), tensor.law, row, column, generations)
        return values.reshape(rows.size, columns.size)
    if isinstance(tensor.law, Mirrored):
        words = reference_words(_key(source.seed, name), rows[:, None] // 2, columns[None, :], source.generation)
        return reference_values(words, tensor.law.base) * np.where(rows % 2 == 1, -1, 1).astype(np.float32)[:, None]
    words = reference_words(_key(source.seed, name), rows[:, None], columns[None, :], source.generation)
    return reference_values(words, tensor.law)


def _times_drawn_again(tensor: MaskedTensor, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """How often the weights of some places were drawn again, int64; 0 for what is pruned."""
    times, width = np.zeros(rows.size, np.int64), tensor.mask.shape[1]
    first, last = (int(rows.min()), int(rows.max())) if rows.size else (0, -1)
    for number, mask in enumerate(tensor.generations, 1):
        drawn = mask.edges(first, last + 1)
        times[np.isin(rows * width + columns, drawn[0] * width + drawn[1])] = number
    return times


def _each_of_its_own(
    key: tuple[int, int], law: Law, rows: np.ndarray, columns: np.ndarray, generations: np.ndarray
) -> np.ndarray:
    """The values float32 of some places, each of its own generation."""
    mirrored = isinstance(law, Mirrored)
    words, drawn = np.empty(rows.size, np.uint64), rows // 2 if mirrored else rows
    for generation in np.unique(generations).tolist():
        chosen = generations == generation
        words[chosen] = reference_words(key, drawn[chosen], columns[chosen], generation)
    values = reference_values(words, law.base if mirrored else law)
    return np.where(rows % 2 == 1, -values, values) if mirrored else values


def _key(seed: int, name: str) -> tuple[int, int]:
    digest = hashlib.sha256(b"tombola/1\n%d\n%s" % (seed, name.encode())).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")


def reference_values(words: np.ndarray, law: Plain) -> np.ndarray:
    """The values float32 that a law makes of random words (uint64, below 2**32)."""
    if isinstance(law, Uniform):
        odd = 2 * (words >> np.uint64(8)).astype(np.int64) + 1 - (1 << 24)
        return (odd.astype(np.float64) * 2.0**-24).astype(np.float32) * np.float32(law.half_width)
    if isinstance(law, Normal):
        return (_quantile((words.astype(np.float64) + 0.5) * 2.0**-32) * law.std).astype(np.float32)
    sign = np.where(words >= 2**31, np.float32(1), np.float32(-1))
    if isinstance(law, LogUniform):
        low, logarithm = law.parameters
        fraction = ((words % np.uint64(2**31)).astype(np.float64) + 0.5) * 2.0**-31
        return sign * (low * _exponential(fraction * logarithm)).astype(np.float32)
    return sign * np.float32(law.magnitude)


def _polynomial(coefficients: np.ndarray, x: np.ndarray) -> np.ndarray:
    total = np.zeros_like(x)
    for coefficient in coefficients:
        total = total * x + coefficient
    return total


def _exponential(y: np.ndarray) -> np.ndarray:
    whole = np.floor(y * _tables.INVERSE_LN2 + 0.5)
    rest = (y - whole * _tables.LN2_HIGH) - whole * _tables.LN2_LOW
    return np.ldexp(_polynomial(_tables.EXP_SERIES, rest), whole.astype(np.int64))


def _logarithm(x: np.ndarray) -> np.ndarray:
    mantissa, exponent = np.frexp(x)
    low = mantissa < _tables.SQRT_HALF
    mantissa, exponent = np.where(low, 2 * mantissa, mantissa), exponent - low.astype(exponent.dtype)
    s = (mantissa - 1) / (mantissa + 1)
    return exponent * _tables.LN2_HIGH + (exponent * _tables.LN2_LOW + 2 * s * _polynomial(_tables.LOG_SERIES, s * s))


def _root(x: np.ndarray) -> np.ndarray:
    constant, slope = _tables.ROOT_START
    root = constant + slope * x
    for _ in range(_tables.ROOT_STEPS):
        root = (root + x / root) / 2
    return root


def _quantile(probability: np.ndarray) -> np.ndarray:
    """The standard normal quantile [Wichura1988], each value by the fraction that is made for it."""
    q = probability - 0.5
    values = np.empty_like(q)
    centre = np.abs(q) <= 0.425
    middle, outer = q[centre], q[~centre]
    r = 0.180625 - middle * middle
    values[centre] = middle * _polynomial(_tables.CENTRE[0], r) / _polynomial(_tables.CENTRE[1], r)
    s = _root(-_logarithm(0.5 - np.abs(outer))) - 1.6
    values[~centre] = np.copysign(_polynomial(_tables.SHOULDER[0], s) / _polynomial(_tables.SHOULDER[1], s), outer)
    return values
