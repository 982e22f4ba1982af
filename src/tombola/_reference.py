"""Philox4x32-10 and the laws once more, in plain NumPy integers: the second opinion that `verify` asks.

Written apart from the compiled kernels on purpose; it shares no code with what builds tickets.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from .random_source import Uniform
from .ticket import Ticket

MASK = np.uint64(0xFFFFFFFF)


def reference_words(key: tuple[int, int], row: np.ndarray, column: np.ndarray, generation: int) -> np.ndarray:
    """The random word of every address `(row, column)`, as uint64; the two arrays broadcast."""
    row, column = np.broadcast_arrays(np.asarray(row, np.uint64), np.asarray(column, np.uint64))
    counter = [column // np.uint64(4), row, np.full(row.shape, generation, np.uint64), np.zeros(row.shape, np.uint64)]
    k0, k1 = (np.uint64(half) for half in key)
    for _ in range(10):
        left, right = counter[0] * np.uint64(3528531795), counter[2] * np.uint64(3449720151)
        counter = [
            (right >> np.uint64(32)) ^ counter[1] ^ k0,
            right & MASK,
            (left >> np.uint64(32)) ^ counter[3] ^ k1,
            left & MASK,
        ]
        k0, k1 = (k0 + np.uint64(2654435769)) & MASK, (k1 + np.uint64(3144134277)) & MASK
    return np.choose((column % np.uint64(4)).astype(np.intp), counter)


def reference_block(ticket: Ticket, name: str, start: int, stop: int) -> np.ndarray:
    """Values `(stop - start, columns)` float32 of some rows of a ticket's parent."""
    tensor, source = ticket.tensors[name], ticket.source
    if tensor.law is None or source is None:
        return ticket.values[name][start:stop]
    digest = hashlib.sha256(f"tombola/1\n{source.seed}\n{name}".encode()).digest()
    key = int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")
    columns = np.arange(tensor.mask.shape[1])
    words = reference_words(key, np.arange(start, stop)[:, None], columns[None, :], source.generation)
    if isinstance(tensor.law, Uniform):
        odd = 2 * (words >> np.uint64(8)).astype(np.int64) + 1 - (1 << 24)
        return (odd.astype(np.float64) * 2.0**-24).astype(np.float32) * np.float32(tensor.law.half_width)
    from .random_source._torch import values_on_device

    return values_on_device(torch.from_numpy(words.astype(np.int64)), tensor.law).numpy()
