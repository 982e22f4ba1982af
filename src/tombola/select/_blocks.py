"""Rectangles of a layer's matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from ._select import Select
from ._units import whole_units


def blocks(height: int, width: int) -> Select:
    """A selection of whole blocks: `height` outputs by `width` inputs of a layer's matrix stay or go together.

    The blocks with the largest mean scores stay, as long as they fit: fewer weights than asked for stay if the number
    is none of whole blocks, by less than the next block. The matrix of a convolution is `(out, in * kernel)`; blocks at
    its edges are smaller where its sides do not divide.

    Args:
        height: outputs of a block.
        width: inputs of a block.

    Returns:
        A selection; it raises ValueError if not even one block fits.

    Raises:
        ValueError: if a side is below 1.

    Example:
        >>> scores = {"w": torch.tensor([[1.0, 1.0, 3.0, 0.0], [1.0, 1.0, 2.0, 0.0]])}
        >>> blocks(2, 2)(scores, 4, generator=torch.Generator())["w"].int().tolist()
        [[0, 0, 1, 1], [0, 0, 1, 1]]
    """
    if height < 1 or width < 1:
        raise ValueError(f"the sides of a block are at least 1, got {height} and {width}")

    def units(name: str, score: Tensor) -> Tensor:
        if score.ndim < 2:
            raise ValueError(f"{name!r} has the shape {tuple(score.shape)}; blocks are cut from weights (out, in, ...)")
        rows, columns = len(score), score[0].numel()
        across = -(-columns // width)
        down = torch.arange(rows).div(height, rounding_mode="floor")
        return (down[:, None] * across + torch.arange(columns).div(width, rounding_mode="floor")).view(score.shape)

    return whole_units(units, "block")
