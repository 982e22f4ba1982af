"""Random values by address."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tombola.engines import map_blocks

from ._laws import Law, Mirrored, Plain

CHUNK = 1 << 20  # values a thread makes at a time


@dataclass(frozen=True)
class Source:
    """A random network of any size that is never stored: each value is computed from its address.

    The address is (seed, tensor name, generation, row, column). The key of Philox4x32-10 [Salmon2011] is taken from
    SHA-256 of seed and name, its counter is the rest, so the same address gives the same bits on every device, in any
    block, in any order and with any number of threads, and a wider tensor contains the narrower one.

    Args:
        seed: names the whole network, 0 <= seed < 2**64.
        generation: a number for "the same address, drawn again", 0 <= generation < 2**32. Constructions never draw
            again; it is here for methods that re-initialise on purpose.

    Raises:
        TypeError: if the seed or the generation is no integer.
        ValueError: if it is out of range.

    Example:
        >>> from tombola.random_source import Uniform
        >>> wide = Source(7).block("fc1", Uniform(1.0), range(3), range(10))
        >>> bool((wide[:2, 4:6] == Source(7).block("fc1", Uniform(1.0), range(2), range(4, 6))).all())
        True
    """

    seed: int
    generation: int = 0

    def __post_init__(self) -> None:
        for name, bits in (("seed", 64), ("generation", 32)):
            object.__setattr__(self, name, _checked_integer(name, getattr(self, name), bits))

    def key(self, name: str) -> tuple[int, int]:
        """The Philox key of one tensor: the first eight bytes of SHA-256 of `tombola/1`, seed and name."""
        digest = hashlib.sha256(f"tombola/1\n{self.seed}\n{name}".encode()).digest()
        return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")

    def block(
        self, name: str, law: Law, rows: Sequence[int] | np.ndarray, columns: range, *, threads: int | None = None
    ) -> np.ndarray:
        """Values `(len(rows), len(columns))` float32 of one tensor, computed on the CPU.

        Args:
            name: which tensor.
            law: what the values follow.
            rows: row numbers below 2**32, in any order.
            columns: a range of step 1 below 2**34.
            threads: how many threads share the work; the answer does not depend on it.

        Raises:
            ValueError: if a row or column is out of range.
        """
        chosen = _checked_rows(rows)
        _check_columns(columns)
        if isinstance(law, Mirrored):
            values = self.block(name, law.base, chosen // 2, columns, threads=threads)
            values[chosen % 2 == 1] *= -1
            return values
        values = np.empty((chosen.size, len(columns)), np.float32)
        if values.size:
            step = max(1, CHUNK // len(columns))
            starts = range(0, chosen.size, step)
            fill = self._filler(name, law, columns)
            map_blocks(
                lambda k: fill(chosen[k : k + step], values[k : k + step]),
                starts,
                threads=1 if len(starts) == 1 else threads,
            )
        return values

    def _filler(self, name: str, law: Plain, columns: range) -> Callable[[np.ndarray, np.ndarray], None]:
        """The kernel with all but its rows bound."""
        from ._kernels import fill_rows

        key = np.array(self.key(name), np.uint32)
        span = (columns.start // 4, -(-columns.stop // 4))

        def fill(rows: np.ndarray, values: np.ndarray) -> None:
            fill_rows(key, rows, self.generation, span, columns.start % 4, (law.code, *law.parameters), values)

        return fill

    def tensor(self, name: str, law: Law, shape: Sequence[int], *, device: torch.device | str = "cpu") -> Tensor:
        """A whole tensor float32 on a device; axis 0 is the row, the others, flattened, are the column.

        The bits are those of `block`, on every device.
        """
        rows, columns = matrix_shape(shape)
        if torch.device(device).type == "cpu":
            return torch.from_numpy(self.block(name, law, range(rows), range(columns))).reshape(tuple(shape))
        if isinstance(law, Mirrored):
            base = self.tensor(name, law.base, (-(-rows // 2), columns), device=device)
            return torch.stack([base, -base], dim=1).flatten(0, 1)[:rows].reshape(tuple(shape))
        from ._torch import values_on_device, words_on_device

        counters = torch.arange(-(-columns // 4), device=device)
        words = words_on_device(self.key(name), torch.arange(rows, device=device), counters, self.generation)
        return values_on_device(words[:, :columns], law).reshape(tuple(shape))


def matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """The rows and columns under which a tensor of any shape is addressed.

    Example:
        >>> matrix_shape((16, 3, 5, 5)), matrix_shape((10,)), matrix_shape(())
        ((16, 75), (10, 1), (1, 1))
    """
    return (shape[0] if shape else 1), math.prod(shape[1:])


def _checked_integer(name: str, value: object, bits: int) -> int:
    try:
        number = int(operator.index(value))  # type: ignore[arg-type]  # what is no integer raises
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if not 0 <= number < 2**bits:
        raise ValueError(f"{name} must be an integer from 0 to 2**{bits} - 1, got {number}")
    return number


def _checked_rows(rows: Sequence[int] | np.ndarray) -> np.ndarray:
    chosen = np.asarray(rows)
    if chosen.ndim == 1 and not chosen.size:
        return np.empty(0, np.uint32)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= 2**32:
        raise ValueError(f"rows must be a list of integers from 0 to 2**32 - 1, got {rows!r}")
    return chosen.astype(np.uint32)


def _check_columns(columns: range) -> None:
    inside = not len(columns) or 0 <= columns.start <= columns.stop <= 2**34
    if columns.step != 1 or not inside:
        raise ValueError(f"columns must be a range of step 1 within 0 .. 2**34, got {columns!r}")
