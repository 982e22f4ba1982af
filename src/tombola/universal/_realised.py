"""What the steps of a feature network have become, read from masks and source alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tombola.effective import EffectiveMaps, effective_maps
from tombola.ticket import Ticket

from ._function import Function
from ._piecewise import PiecewiseLinear
from ._step import RealisedBlock, RealisedLinear


def realised_block(name: str, ticket: Ticket, functions: Sequence[Function]) -> RealisedBlock:
    """The block of a ticket that has this name.

    Args:
        name: of the block.
        ticket: one that holds it, perhaps alone.
        functions: what it stands for, on the intervals of which it is wanted.
    """
    return block_of_maps(
        name, {maps.layer: maps for maps in effective_maps(ticket)}, functions, relu=_relu(name, ticket)
    )


def block_of_maps(
    name: str, maps: Mapping[str, EffectiveMaps], functions: Sequence[Function], *, relu: bool
) -> RealisedBlock:
    """The same from effective maps by layer."""
    knots, values = maps[f"{name}.knots"], maps[f"{name}.values"]
    bias, offsets = _bias(knots), _bias(values)
    inner = knots.positive[:, 0]
    return RealisedBlock(
        name,
        tuple(
            PiecewiseLinear(
                inner[row != 0], bias[row != 0], row[row != 0], float(offset), function.low, function.high, relu
            )
            for row, offset, function in zip(values.positive, offsets, functions, strict=True)
        ),
    )


def linear_of_maps(name: str, maps: Mapping[str, EffectiveMaps]) -> RealisedLinear:
    """The affine map that has this name."""
    return RealisedLinear(name, maps[name].positive, _bias(maps[name]))


def _bias(maps: EffectiveMaps) -> np.ndarray:
    return np.zeros(len(maps.positive)) if maps.bias is None else maps.bias


def _relu(name: str, ticket: Ticket) -> bool:
    return next(stage.relu for stage in reversed(ticket.stages) if stage.layer == f"{name}.values")
