"""A sparse matrix, row by row, in groups of four."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

FOUR = 4


@dataclass(frozen=True, eq=False)
class Quads:
    """The numbers of a matrix that are not 0; each row is filled up to a multiple of four with zeros.

    Attributes:
        values: `(4 q,)` float32, row after row.
        columns: `(4 q,)` int32, of each value; of a zero that fills up, the last one of its row.
        starts: `(rows + 1,)` int32, where each row begins and, last, where all end, in fours.
    """

    values: Tensor
    columns: Tensor
    starts: Tensor


def quads(matrix: Tensor) -> Quads:
    """The numbers of a matrix `(rows, columns)` that are not 0, on the CPU.

    Example:
        >>> found = quads(torch.tensor([[0.0, 5.0], [0.0, 0.0], [7.0, 8.0]]))
        >>> found.values.tolist(), found.columns.tolist(), found.starts.tolist()
        ([5.0, 0.0, 0.0, 0.0, 7.0, 8.0, 0.0, 0.0], [1, 1, 1, 1, 0, 1, 1, 1], [0, 1, 1, 2])
    """
    matrix = matrix.detach().cpu().float()
    kept = (matrix != 0).sum(1)
    starts = torch.nn.functional.pad(((kept + FOUR - 1) // FOUR).cumsum(0), (1, 0))
    rows, found = matrix.nonzero(as_tuple=True)
    filled = starts[:-1] * FOUR - (kept.cumsum(0) - kept)  # zeros before each row
    places = torch.arange(len(rows)) + filled[rows]
    values, columns = torch.zeros(int(starts[-1]) * FOUR), torch.zeros(int(starts[-1]) * FOUR, dtype=torch.int32)
    values[places] = matrix[rows, found]
    columns[places] = found.int()
    return Quads(values, _filled(columns, places), starts.int())


def _filled(columns: Tensor, places: Tensor) -> Tensor:
    """Columns with the one before where nothing is kept: an input that is not finite then reaches no other row."""
    last = torch.full_like(columns, -1, dtype=torch.int64)
    last[places] = places
    return columns[last.cummax(0).values] if len(columns) else columns
