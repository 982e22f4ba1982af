"""Affine maps that meet with nothing between them, as one; computed in float64 and rounded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ._graph import AffineLayer, Window


def merged(first: AffineLayer, second: AffineLayer) -> AffineLayer:
    """Two dense layers in a row as their product."""
    outer = second.weight.double()
    bias = None
    if first.bias is not None or second.bias is not None:
        inner = torch.zeros(len(first.weight)) if first.bias is None else first.bias
        bias = outer @ inner.double() + (0 if second.bias is None else second.bias.double())
        bias = bias.float()
    return AffineLayer(f"{first.name}*{second.name}", (outer @ first.weight.double()).float(), bias)


def normalised(layer: AffineLayer, values: Sequence[Tensor | None], epsilon: float) -> AffineLayer:
    """A layer with the batch normalisation that follows it: weight, bias, running mean and variance of which are given.

    Example:
        >>> one, zero = torch.ones(1), torch.zeros(1)
        >>> layer = AffineLayer("conv", torch.full((1, 1), 3.0), None)
        >>> float(normalised(layer, [2 * one, one, zero, 4 * one], 0.0).weight)  # 2 * 3 / sqrt(4)
        3.0
    """
    scale, shift = _scale_and_shift(values, epsilon)
    weight = layer.weight.double() * scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    bias = shift + (0 if layer.bias is None else layer.bias.double() * scale)
    return replace(layer, weight=weight.float(), bias=bias.float())


def diagonal(name: str, values: Sequence[Tensor | None], epsilon: float, rank: int) -> AffineLayer:
    """Batch normalisation as a layer of its own: a diagonal matrix, on images one of 1 x 1 taps."""
    scale, shift = _scale_and_shift(values, epsilon)
    weight = torch.diag(scale).float()
    if not rank:
        return AffineLayer(name, weight, shift.float())
    window = Window((1,) * rank, (1,) * rank, (0,) * rank, (1,) * rank)
    return AffineLayer(name, weight.reshape(*weight.shape, *[1] * rank), shift.float(), window=window)


def _scale_and_shift(values: Sequence[Tensor | None], epsilon: float) -> tuple[Tensor, Tensor]:
    weight, bias, mean, variance = (None if value is None else value.double() for value in values)
    assert mean is not None
    assert variance is not None
    scale = (variance + epsilon).rsqrt() * (1 if weight is None else weight)
    return scale, (0 if bias is None else bias) - mean * scale


def ungrouped(weight: Tensor, groups: int) -> Tensor:
    """The weight `(outputs, inputs, *taps)` of a grouped convolution as that of an ordinary one, zeros between groups.

    Example:
        >>> ungrouped(torch.ones(2, 1, 1), 2).squeeze(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    if groups == 1:
        return weight
    outputs, inputs, *taps = weight.shape
    wide = torch.zeros(outputs, groups * inputs, *taps)
    share = outputs // groups
    for group in range(groups):
        rows, columns = slice(group * share, (group + 1) * share), slice(group * inputs, (group + 1) * inputs)
        wide[rows, columns] = weight[rows]
    return wide
