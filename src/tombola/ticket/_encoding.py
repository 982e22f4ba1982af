"""How a mask is held in memory and in a file: one edge per row, or one bit per weight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LARGEST_AXIS = 2**31 - 1  # rows and columns are 32-bit numbers


@dataclass(frozen=True, eq=False)
class OwnerMask:
    """At most one kept edge in each row.

    Attributes:
        owner: `(rows,)` int32, the kept column of each row, -1 for none.
        columns: how many columns there are.

    Raises:
        ValueError: if the owners are not 32-bit numbers of columns that there are.

    Example:
        >>> mask = OwnerMask(np.array([2, -1, 0], np.int32), columns=3)
        >>> mask.kept, [part.tolist() for part in mask.edges(0, 3)]
        (2, [[0, 2], [2, 0]])
    """

    owner: np.ndarray
    columns: int

    def __post_init__(self) -> None:
        _check_columns(self.columns)
        if self.owner.ndim != 1 or self.owner.dtype != np.int32:
            raise ValueError(f"owners are int32 of one axis, got {self.owner.dtype} of shape {self.owner.shape}")
        if self.owner.size and (self.owner.min() < -1 or self.owner.max() >= self.columns):
            raise ValueError(f"owners must lie in -1 .. {self.columns - 1}")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.owner.size, self.columns

    @property
    def kept(self) -> int:
        """How many edges are kept."""
        return int((self.owner >= 0).sum())

    def rows_kept(self) -> np.ndarray:
        """Which rows keep an edge, `(rows,)` bool."""
        return self.owner >= 0

    def columns_kept(self) -> np.ndarray:
        """Which columns keep an edge, `(columns,)` bool."""
        kept = np.zeros(self.columns, np.bool_)
        kept[self.owner[self.owner >= 0]] = True
        return kept

    def edges(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Kept positions `(row, column)` of the rows `start .. stop`, row by row, columns ascending."""
        rows = np.flatnonzero(self.owner[start:stop] >= 0) + start
        return rows, self.owner[rows].astype(np.int64)


@dataclass(frozen=True, eq=False)
class BitMask:
    """One bit per weight.

    Attributes:
        packed: `(rows, ceil(columns / 8))` uint8, the lowest bit first; unused bits are 0.
        columns: how many columns there are.

    Raises:
        ValueError: if the bytes do not fit the number of columns.
    """

    packed: np.ndarray
    columns: int

    def __post_init__(self) -> None:
        _check_columns(self.columns)
        if self.packed.ndim != 2 or self.packed.dtype != np.uint8:
            raise ValueError(f"bits are uint8 of two axes, got {self.packed.dtype} of shape {self.packed.shape}")
        if self.packed.shape[1] != bytes_for(self.columns):
            raise ValueError(f"{self.columns} columns take {bytes_for(self.columns)} bytes, got {self.packed.shape[1]}")
        if self.columns % 8 and self.packed.size and (self.packed[:, -1] >> (self.columns % 8)).any():
            raise ValueError("bits beyond the last column are set")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.packed), self.columns

    @property
    def kept(self) -> int:
        """How many edges are kept."""
        return int(np.bitwise_count(self.packed).sum(dtype=np.int64))

    def rows_kept(self) -> np.ndarray:
        """Which rows keep an edge, `(rows,)` bool."""
        return np.asarray(self.packed.any(axis=1))

    def columns_kept(self) -> np.ndarray:
        """Which columns keep an edge, `(columns,)` bool."""
        either = np.bitwise_or.reduce(self.packed, axis=0)
        return np.unpackbits(either, count=self.columns, bitorder="little").astype(np.bool_)

    def edges(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Kept positions `(row, column)` of the rows `start .. stop`, row by row, columns ascending."""
        dense = np.unpackbits(self.packed[start:stop], axis=1, count=self.columns, bitorder="little")
        rows, columns = np.nonzero(dense)
        return rows + start, columns


Mask = OwnerMask | BitMask


def bytes_for(columns: int) -> int:
    """How many bytes the bits of one row take."""
    return -(-columns // 8)


def pack(dense: np.ndarray) -> BitMask:
    """A bool matrix as bits.

    Example:
        >>> mask = pack(np.array([[True, False, True]]))
        >>> mask.packed.tolist(), mask.kept
        ([[5]], 2)
    """
    return BitMask(np.packbits(dense, axis=1, bitorder="little"), dense.shape[1])


def unpack(mask: Mask) -> np.ndarray:
    """The bool matrix `(rows, columns)` of a mask; only for masks that fit in memory.

    Example:
        >>> unpack(OwnerMask(np.array([1, -1], np.int32), columns=2)).tolist()
        [[False, True], [False, False]]
    """
    dense = np.zeros(mask.shape, np.bool_)
    dense[mask.edges(0, mask.shape[0])] = True
    return dense


def _check_columns(columns: int) -> None:
    if not 0 <= columns <= LARGEST_AXIS:
        raise ValueError(f"a mask has 0 to 2**31 - 1 columns, got {columns}")
