"""What stock networks are put together from: groups of convolutions, and the linear layers that end them.

They are made on the meta device, without values, until `drawn` gives them some.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import nn

from tombola.models._fill import draw_parameters


def convolutions(channels: int, groups: Sequence[Sequence[int]], *, norm: bool, bias: bool) -> dict[str, nn.Module]:
    """3x3 convolutions with ReLU, a 2x2 max-pool after each group; images keep their size between the pools.

    The names are `conv1, bn1, relu1, conv2, ..., pool1, ...`, convolutions and pools numbered through.

    Args:
        channels: of an image.
        groups: for each group, how many channels each of its convolutions gives out.
        norm: whether batch normalisation stands between convolution and ReLU; it has biases of its own then.
        bias: whether convolutions without normalisation have biases.

    Example:
        >>> list(convolutions(3, [[8, 8], [16]], norm=False, bias=True))
        ['conv1', 'relu1', 'conv2', 'relu2', 'pool1', 'conv3', 'relu3', 'pool2']
    """
    layers: dict[str, nn.Module] = {}
    i = 0
    for number, group in enumerate(groups, start=1):
        for wide in group:
            i += 1
            layers[f"conv{i}"] = nn.Conv2d(channels, wide, 3, padding=1, bias=bias and not norm, device="meta")
            if norm:
                layers[f"bn{i}"] = nn.BatchNorm2d(wide, device="meta")
            layers[f"relu{i}"] = nn.ReLU()
            channels = wide
        layers[f"pool{number}"] = nn.MaxPool2d(2)
    return layers


def dense(widths: Sequence[int], *, bias: bool, relus: int = 0) -> dict[str, nn.Module]:
    """Linear layers with ReLU between them, under the names `flatten, fc1, relu1, fc2, ..., fcL`.

    Args:
        widths: of the input, of each hidden layer, of the output.
        bias: whether the layers have biases.
        relus: how many ReLU modules the network already has; the numbers go on from there.

    Example:
        >>> list(dense([784, 300, 10], bias=True, relus=2))
        ['flatten', 'fc1', 'relu3', 'fc2']
    """
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    last = len(widths) - 1
    for i in range(1, last + 1):
        layers[f"fc{i}"] = nn.Linear(widths[i - 1], widths[i], bias=bias, device="meta")
        if i < last:
            layers[f"relu{relus + i}"] = nn.ReLU()
    return layers


def averaged(channels: int, classes: int, *, bias: bool) -> dict[str, nn.Module]:
    """One linear layer of the average of each channel, under the names `avgpool, flatten, fc`."""
    return {
        "avgpool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "fc": nn.Linear(channels, classes, bias=bias, device="meta"),
    }


def drawn(layers: Mapping[str, nn.Module], *, generator: torch.Generator) -> nn.Sequential:
    """The layers one after the other, on the generator's device, with values of `draw_parameters`."""
    model = nn.Sequential(OrderedDict(layers)).to_empty(device=generator.device)
    draw_parameters(model, generator=generator)
    return model
