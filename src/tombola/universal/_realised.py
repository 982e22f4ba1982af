"""What the steps of a feature network have become, read from masks and source alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tombola.effective import EffectiveMaps

from ._function import Function
from ._piecewise import PiecewiseLinear
from ._step import RealisedBlock, RealisedLinear


def block_of_maps(
    name: str, maps: Mapping[str, EffectiveMaps], functions: Sequence[Function], *, relu: bool
) -> RealisedBlock:
    """The block that has a name.

    Args:
        name: of the block.
        maps: effective maps by layer.
        functions: what it stands for, on the intervals of which it is wanted.
        relu: whether a ReLU follows.
    """
    knots, values = maps[f"{name}.knots"], maps[f"{name}.values"]
    inner, bias = knots.positive[:, 0], _bias(knots)
    return RealisedBlock(
        name,
        tuple(
            PiecewiseLinear(
                inner[row != 0], bias[row != 0], row[row != 0], float(offset), function.low, function.high, relu
            )
            for row, offset, function in zip(values.positive, _bias(values), functions, strict=True)
        ),
    )


def linear_of_maps(name: str, maps: Mapping[str, EffectiveMaps]) -> RealisedLinear:
    """The affine map that has this name."""
    return RealisedLinear(name, maps[name].positive, _bias(maps[name]))


def _bias(maps: EffectiveMaps) -> np.ndarray:
    return np.zeros(len(maps.positive)) if maps.bias is None else maps.bias
