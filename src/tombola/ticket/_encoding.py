"""How a mask is held in memory and in a file: one edge per row, or one bit per weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BYTE_COUNTS = np.array([bin(byte).count("1") for byte in range(256)], np.int64)


@dataclass(frozen=True)
class OwnerMask:
    """At most one kept edge in each row.

    Attributes:
        owner: `(rows,)` int32, the kept column of each row, -1 for none.
        columns: how many columns there are.
    """

    owner: np.ndarray
    columns: int

    def __post_init__(self) -> None:
        if self.owner.size and not (-1 <= self.owner.min() and self.owner.max() < self.columns):
            raise ValueError(f"owners must lie in -1 .. {self.columns - 1}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.owner.size, self.columns

    @property
    def kept(self) -> int:
        """How many edges are kept."""
        return int((self.owner >= 0).sum())

    def edges(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Kept positions `(row, column)` of the rows `start .. stop`, row by row, columns ascending."""
        rows = np.flatnonzero(self.owner[start:stop] >= 0) + start
        return rows, self.owner[rows].astype(np.int64)


@dataclass(frozen=True)
class BitMask:
    """One bit per weight.

    Attributes:
        packed: `(rows, ceil(columns / 8))` uint8, the lowest bit first; unused bits are 0.
        columns: how many columns there are.
    """

    packed: np.ndarray
    columns: int

    def __post_init__(self) -> None:
        if self.packed.shape[1] != -(-self.columns // 8):
            raise ValueError(f"{self.columns} columns take {-(-self.columns // 8)} bytes, got {self.packed.shape[1]}")
        if self.columns % 8 and self.packed.size and (self.packed[:, -1] >> (self.columns % 8)).any():
            raise ValueError("bits beyond the last column are set")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.packed), self.columns

    @property
    def kept(self) -> int:
        """How many edges are kept."""
        return int(np.bincount(self.packed.ravel(), minlength=256) @ BYTE_COUNTS)

    def edges(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Kept positions `(row, column)` of the rows `start .. stop`, row by row, columns ascending."""
        dense = np.unpackbits(self.packed[start:stop], axis=1, count=self.columns, bitorder="little")
        rows, columns = np.nonzero(dense)
        return rows + start, columns


Mask = OwnerMask | BitMask


def pack(dense: np.ndarray) -> BitMask:
    """A bool matrix as bits.

    Example:
        >>> mask = pack(np.array([[True, False, True]]))
        >>> mask.packed.tolist(), mask.kept
        ([[5]], 2)
    """
    return BitMask(np.packbits(dense, axis=1, bitorder="little"), dense.shape[1])


def unpack(mask: Mask) -> np.ndarray:
    """The bool matrix `(rows, columns)` of a mask; only for masks that fit in memory."""
    dense = np.zeros(mask.shape, np.bool_)
    dense[mask.edges(0, mask.shape[0])] = True
    return dense
