"""The two structures that are compared: layers with copies of their inputs, and plain wide layers."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import Tensor, nn

from tombola.models import mlp
from tombola.random_source import Law, Normal

LINEAR, RELU, WIDE = "linear", "ReLU", "wide"
VARIANTS = (LINEAR, RELU, WIDE)


class Redundant(nn.Module):
    """A linear layer in two: copies of each input, each times a weight of its own, then a dense layer of all copies.

    A pruned target weight is thus made of as many products of two random weights as there are copies. The first of the
    two layers is block-diagonal; its parameters are the diagonals alone.

    Args:
        inputs: numbers that come in.
        outputs: numbers that go out.
        copies: of each input.
        relu: whether a ReLU stands between the two layers.
    """

    def __init__(self, inputs: int, outputs: int, *, copies: int, relu: bool) -> None:
        super().__init__()
        self.copies, self.relu = copies, relu
        self.diagonal = nn.Parameter(torch.zeros(copies * inputs, 1))
        self.dense = nn.Parameter(torch.zeros(outputs, copies * inputs))

    def forward(self, x: Tensor) -> Tensor:
        """From `(batch, inputs)` to `(batch, outputs)`."""
        copied = x.repeat(1, self.copies) * self.diagonal[:, 0]
        return nn.functional.linear(copied.relu() if self.relu else copied, self.dense)


def network(variant: str, widths: tuple[int, int, int], copies: int) -> nn.Module:
    """Two layers of a variant, without biases; the wide one has about as many parameters as the others."""
    if variant == WIDE:
        return mlp([widths[0], wide(widths, copies), widths[2]], bias=False, generator=torch.Generator())
    inputs, hidden, outputs = widths
    layers = {
        "flatten": nn.Flatten(),
        "layer1": Redundant(inputs, hidden, copies=copies, relu=variant == RELU),
        "relu": nn.ReLU(),
        "layer2": Redundant(hidden, outputs, copies=copies, relu=variant == RELU),
    }
    return nn.Sequential(OrderedDict(layers))


def wide(widths: tuple[int, int, int], copies: int) -> int:
    """The hidden units of the wide network, as in the authors' code.

    Example:
        >>> wide((784, 500, 10), 5)
        2508
    """
    inputs, hidden, outputs = widths
    return round(copies * (inputs + hidden + inputs * hidden + hidden * outputs) / (inputs + outputs))


def law(copies: int, name: str, weight: Tensor) -> Law:
    """Normal of variance 2 over the fan-in; that of dense layers behind copies is the number of different inputs."""
    fan_in = weight.shape[1] // (copies if name.endswith("dense") else 1)
    return Normal(math.sqrt(2 / fan_in))
