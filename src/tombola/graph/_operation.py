"""The stock module of every operation without parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from ._graph import Node

ACTIVATIONS: dict[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    "relu": lambda _: nn.ReLU(),
    "leaky_relu": lambda settings: nn.LeakyReLU(settings["slope"]),
    "tanh": lambda _: nn.Tanh(),
    "sigmoid": lambda _: nn.Sigmoid(),
    "softplus": lambda settings: nn.Softplus(settings["beta"], settings["threshold"]),
    "silu": lambda _: nn.SiLU(),
    "gelu": lambda settings: nn.GELU(settings["approximate"]),
    "elu": lambda settings: nn.ELU(settings["alpha"]),
    "softsign": lambda _: nn.Softsign(),
}
POOLS = {"max_pool", "avg_pool"}


class Add(nn.Module):
    """The sum of two tensors.

    Example:
        >>> import torch
        >>> Add()(torch.ones(2), torch.ones(2)).tolist()
        [2.0, 2.0]
    """

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """`x + y`."""
        return x + y


def operation(node: Node) -> nn.Module:
    """The module that does what a node without parameters says.

    Args:
        node: any but a layer.

    Raises:
        ValueError: for an operation that is not known.

    Example:
        >>> operation(Node("pool", "max_pool", ("conv",), (6, 14, 14), {"kernel": [2, 2], "stride": [2, 2],
        ...                "padding": [0, 0], "dilation": [1, 1], "ceil": False}))
        MaxPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0), dilation=(1, 1), ceil_mode=False)
    """
    if node.op in ACTIVATIONS:
        return ACTIVATIONS[node.op](node.settings)
    if node.op in POOLS:
        return _pool(node)
    if node.op == "adaptive_avg_pool":
        size = tuple(node.settings["size"])
        return (nn.AdaptiveAvgPool1d if len(size) == 1 else nn.AdaptiveAvgPool2d)(size)
    if node.op == "flatten":
        return nn.Flatten()
    if node.op == "add":
        return Add()
    raise ValueError(f"{node.name!r} is an operation that is not known: {node.op!r}")


def _pool(node: Node) -> nn.Module:
    kernel, stride, padding = (tuple(node.settings[name]) for name in ("kernel", "stride", "padding"))
    flat, ceil = len(kernel) == 1, node.settings["ceil"]
    if node.op == "max_pool":
        dilation = tuple(node.settings["dilation"])
        return (nn.MaxPool1d if flat else nn.MaxPool2d)(kernel, stride, padding, dilation, ceil_mode=ceil)
    counted = node.settings["count_padding"]
    return (nn.AvgPool1d if flat else nn.AvgPool2d)(kernel, stride, padding, ceil, count_include_pad=counted)
