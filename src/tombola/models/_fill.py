"""Weights as `torch.nn` itself would draw them, but from a generator of the caller's."""

from __future__ import annotations

import math

import torch
from torch import nn


def draw_parameters(model: nn.Module, *, generator: torch.Generator) -> nn.Module:
    """The model itself, its layers filled anew as torch's constructors fill them.

    Every weight and bias of a linear or convolution layer is uniform on `[-1/sqrt(fan_in), 1/sqrt(fan_in)]`, the layers
    in the order of `modules()`, each with its weight first. Batch normalisation draws nothing: weight 1, bias 0, mean 0
    and variance 1 so far. With equal seeds the values are those of the constructor, bit for bit. Changes `model`
    in place; other parameters and buffers must not be left on the meta device.

    Args:
        model: its layers may be `Linear`, convolutions or batch normalisation; what has no parameters is left alone.
        generator: on the device of the parameters.

    Raises:
        ValueError: if another kind of layer has parameters of its own.

    Example:
        >>> layer = draw_parameters(torch.nn.Linear(4, 3), generator=torch.Generator().manual_seed(0))
        >>> bool(layer.weight.abs().max() <= 0.5)
        True
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            _draw_layer(module, generator)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            module.reset_parameters()
        elif next(module.parameters(recurse=False), None) is not None:
            kind = type(module).__name__
            raise ValueError(f"do not know how to draw the parameters of {name or 'the model'} ({kind})")
    return model


def _draw_layer(layer: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d, generator: torch.Generator) -> None:
    fan_in = layer.weight[0].numel()
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    if layer.bias is not None:
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
