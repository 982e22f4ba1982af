"""Small target networks with every feature that a construction has to cope with."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn


def relu_network(*widths: int, bias: bool = False, seed: int = 0, gain: float = 1.0) -> nn.Sequential:
    """A ReLU network with normal weights of standard deviation gain / sqrt(inputs), and biases of 0.3 gain."""
    generator = torch.Generator().manual_seed(seed)
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (inputs, outputs) in enumerate(pairwise(widths), start=1):
        layer = nn.Linear(inputs, outputs, bias=bias, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            layer.weight.normal_(0, gain / inputs**0.5, generator=generator)
            if bias:
                layer.bias.normal_(0, 0.3 * gain, generator=generator)
        modules[f"fc{number}"] = layer
        if number < len(widths) - 1:
            modules[f"relu{number}"] = nn.ReLU()
    return nn.Sequential(modules)
