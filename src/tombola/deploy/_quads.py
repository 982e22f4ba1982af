"""A sparse matrix, some rows at a time, columns in groups of four."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FOUR = 4


@dataclass(frozen=True, eq=False)
class Quads:
    """The columns of each band of a matrix in which there is a number that is not 0; a band is one row, or some.

    Each band is filled up to a multiple of four columns, and the last one to as many rows as others, with zeros.

    Attributes:
        values: `(4 q * rows of a band,)` float32, column after column, band after band.
        columns: `(4 q,)` int32; where one fills up, the last one before.
        starts: `(bands + 1,)` int32, where each band begins and, last, where all end, in fours of columns.
    """

    values: Tensor
    columns: Tensor
    starts: Tensor


def quads(matrix: Tensor, height: int = 1) -> Quads:
    """The numbers of a matrix `(rows, columns)` that are not 0, on the CPU.

    Args:
        matrix: whatever lies in it is taken as float32.
        height: rows of a band.

    Example:
        >>> found = quads(torch.tensor([[0.0, 5.0], [0.0, 0.0], [7.0, 8.0]]))
        >>> found.values.tolist(), found.columns.tolist(), found.starts.tolist()
        ([5.0, 0.0, 0.0, 0.0, 7.0, 8.0, 0.0, 0.0], [1, 1, 1, 1, 0, 1, 1, 1], [0, 1, 1, 2])
        >>> quads(torch.tensor([[0.0, 5.0], [3.0, 4.0]]), 2).values.tolist()
        [0.0, 3.0, 5.0, 4.0, 0.0, 0.0, 0.0, 0.0]
    """
    bands = _bands(matrix, height)
    needed = (bands != 0).any(1)
    kept = needed.sum(1)
    starts = torch.nn.functional.pad(_fours(kept).cumsum(0), (1, 0))
    band, found = needed.nonzero(as_tuple=True)
    filled = starts[:-1] * FOUR - (kept.cumsum(0) - kept)  # columns that fill up before each band
    places = torch.arange(len(band)) + filled[band]
    values, columns = torch.zeros(int(starts[-1]) * FOUR, height), torch.zeros(int(starts[-1]) * FOUR).int()
    values[places] = bands[band, :, found]
    columns[places] = found.int()
    return Quads(values.flatten(), _filled(columns, places), starts.int())


def held(matrix: Tensor, height: int) -> int:
    """How many numbers `quads` would hold."""
    return height * FOUR * int(_fours((_bands(matrix, height) != 0).any(1).sum(1)).sum())


def _bands(matrix: Tensor, height: int) -> Tensor:
    """`(bands, rows of a band, columns)`."""
    matrix = matrix.detach().cpu().float()
    return torch.nn.functional.pad(matrix, (0, 0, 0, -len(matrix) % height)).view(-1, height, matrix.shape[1])


def _fours(columns: Tensor) -> Tensor:
    return (columns + FOUR - 1) // FOUR


def _filled(columns: Tensor, places: Tensor) -> Tensor:
    """Columns with the one before where nothing is kept: an input that is not finite then reaches no other band."""
    last = torch.full_like(columns, -1, dtype=torch.int64)
    last[places] = places
    return columns[last.cummax(0).values] if len(columns) else columns
