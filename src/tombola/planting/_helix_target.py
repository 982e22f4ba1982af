"""A curve in space, whose three coordinates share their hidden units."""

from __future__ import annotations

import numpy as np
from torch import nn

from ._chain import Layer, chain, check_depth
from ._knots import directions, outer_weights

KNOTS = 30


def helix_target(depth: int) -> nn.Sequential:
    """The points `(batch, 3)` of a widening helix at parameters `(batch, 1)` in [-1, 1], as a sparse ReLU network.

    With t = 5 pi + 3 pi x the helix is `(t cos t, t sin t, t) / (8 pi)` [Fischer2022]. Two coordinates are interpolated
    between 30 knots that they share; the third is linear and takes the first unit alone. Deeper networks shift the
    input by one, so that it is not negative, and pass the coordinates, shifted by one too, through identities.

    Exact in the third coordinate; the others miss the curve by at most .0487, at any depth. The weights number 24 (at
    depth 3; else 25) fewer than published: the published count is that of the slope changes of the third coordinate
    in floating point, most of which are rounding residues of zero.

    Args:
        depth: layers of neurons, input and output included. 3 is the interpolation alone, 4 adds the shift of the
            input, each further layer an identity.

    Raises:
        ValueError: if the depth is below 3.

    Example:
        >>> import torch
        >>> helix_target(5)(torch.tensor([[1.0]])).round(decimals=3).abs().tolist()
        [[1.0, 0.0, 1.0]]
    """
    check_depth("helix_target", depth)
    if depth == 3:
        return chain(_interpolation(shift=0.0))
    units, points = _interpolation(shift=1.0)
    layers = [(np.ones((1, 1)), np.ones(1)), units, points]
    for _ in range(depth - 4):
        weight, bias = layers.pop()
        layers += [(weight, bias + 1.0), (np.eye(3), -np.ones(3))]
    return chain(layers)


def helix(x: np.ndarray) -> np.ndarray:
    """The points `(n, 3)` of the helix at the parameters `(n,)`."""
    t = 5 * np.pi + 3 * np.pi * x
    return np.stack([t * np.cos(t), t * np.sin(t), t], axis=1) / (8 * np.pi)


def _interpolation(*, shift: float) -> list[Layer]:
    """The units and the coordinates of a network whose input is `x + shift`."""
    knots = np.linspace(-1.0, 1.0, KNOTS)
    values = helix(np.append(knots, 2 * knots[-1] - knots[-2]))
    shifted = knots + shift
    weights, constants = zip(*(outer_weights(shifted, values[:, k]) for k in range(2)), strict=True)
    line = np.zeros(KNOTS)
    line[0] = (values[-1, 2] - values[0, 2]) / (values.shape[0] - 1) / (knots[1] - knots[0])
    sides = directions(KNOTS)
    return [
        (sides[:, None], -sides * shifted),
        (np.stack([*weights, line]), np.array([*constants, values[0, 2]])),
    ]
