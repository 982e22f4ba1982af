"""LeNet-300-100, the fully connected network of the pruning literature.

References:
    [LeCun1998] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86 (1998). The activation there is a scaled tanh; the pruning literature uses ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._mlp import mlp


def lenet_300_100(
    *,
    input_shape: Sequence[int] = (1, 28, 28),
    classes: int = 10,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Sequential:
    """LeNet-300-100 [LeCun1998] with ReLU: flatten, then linear layers of 300, 100 and `classes` outputs.

    Args:
        input_shape: of one example.
        classes: number of outputs.
        bias: whether the linear layers have biases.
        generator: source of the weights, see `mlp`.

    Raises:
        ValueError: if a size is not positive.

    Example:
        >>> net = lenet_300_100(generator=torch.Generator().manual_seed(0))
        >>> sum(p.numel() for p in net.parameters())
        266610
    """
    return mlp([math.prod(input_shape), 300, 100, classes], bias=bias, generator=generator)
