"""The easiest plant: a single path."""

from __future__ import annotations

import numpy as np
from torch import nn

from ._chain import chain, check_depth


def relu_target(depth: int) -> nn.Sequential:
    """The ReLU itself, `(batch, 1) -> (batch, 1)`, as a path with one neuron per layer [Fischer2022].

    Exact: `depth - 1` weights of one, no biases.

    Args:
        depth: layers of neurons, input and output included: `depth - 1` matrices.

    Raises:
        ValueError: if the depth is below 3.

    Example:
        >>> import torch
        >>> net = relu_target(5)
        >>> net(torch.tensor([[-0.5], [0.25]])).flatten().tolist()
        [0.0, 0.25]
        >>> sum(int((p != 0).sum()) for p in net.parameters())
        4
    """
    check_depth("relu_target", depth)
    return chain([(np.ones((1, 1)), np.zeros(1))] * (depth - 1))
