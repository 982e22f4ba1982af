"""A stock ReLU network from its matrices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

Layer = tuple[np.ndarray, np.ndarray]  # weight (out, in) and bias (out,)


def check_depth(name: str, depth: int) -> None:
    """Raises ValueError unless a depth leaves room for at least one hidden layer."""
    if depth < 3:
        raise ValueError(f"{name}: depth counts the layers of neurons, input and output included, so >= 3; got {depth}")


def chain(layers: Sequence[Layer]) -> nn.Sequential:
    """The network `fc1, relu1, fc2, ..., fcL` float32 with the given weights and biases; no ReLU after the last."""
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (weight, bias) in enumerate(layers, start=1):
        outputs, inputs = weight.shape
        linear = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        modules[f"fc{number}"] = linear
        if number < len(layers):
            modules[f"relu{number}"] = nn.ReLU()
    return nn.Sequential(modules)
