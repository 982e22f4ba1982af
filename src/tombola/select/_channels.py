"""Outputs of layers."""

from __future__ import annotations

import torch
from torch import Tensor

from ._select import Select
from ._units import whole_units


def channels() -> Select:
    """A selection of whole outputs: all weights into a unit or channel stay or go together.

    The outputs with the largest mean scores stay, as long as they fit: fewer weights than asked for stay if the number
    is none of whole outputs, by less than the next one has. An output that is gone is a constant, its bias; what reads
    it keeps its weights. Exclude the last layer, whose outputs are the answer, and
    those that add up in residual streams, where a missing channel saves nothing.

    Returns:
        A selection; it raises ValueError if not even one output fits.

    Example:
        >>> scores = {"w": torch.tensor([[1.0, 2.0], [4.0, 0.0], [1.0, 1.0]])}
        >>> channels()(scores, 3, generator=torch.Generator())["w"].int().tolist()
        [[0, 0], [1, 1], [0, 0]]
    """

    def units(name: str, score: Tensor) -> Tensor:
        if score.ndim < 2:
            raise ValueError(f"{name!r} has the shape {tuple(score.shape)}; outputs are rows of weights (out, in, ...)")
        rows = torch.arange(len(score)).view(-1, *[1] * (score.ndim - 1))
        return rows.expand(score.shape)

    return whole_units(units, "output")
