"""Fully connected ReLU networks of any widths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._layers import dense, drawn


def mlp(widths: Sequence[int], *, bias: bool = True, generator: torch.Generator) -> nn.Sequential:
    """A ReLU network that maps `(batch, ...)` with `widths[0]` numbers per example to `(batch, widths[-1])`.

    The children are `flatten, fc1, relu1, fc2, ..., fcL`; no activation follows the last. Weights are drawn as
    `torch.nn.Linear` draws them, from `generator` alone: the global random state is neither read nor moved.

    Args:
        widths: of the input, of each hidden layer, of the output; at least two.
        bias: whether the linear layers have biases.
        generator: source of the weights; the model is made on its device.

    Raises:
        ValueError: if there are fewer than two widths or one is not positive.

    Example:
        >>> net = mlp([784, 500, 10], bias=False, generator=torch.Generator().manual_seed(0))
        >>> [name for name, _ in net.named_children()]
        ['flatten', 'fc1', 'relu1', 'fc2']
        >>> sum(p.numel() for p in net.parameters())
        397000
    """
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(f"an MLP needs at least two positive widths, input and output; got {list(widths)}")
    return drawn(dense(widths, bias=bias), generator=generator)


def parse_widths(text: str) -> list[int]:
    """The widths in a text such as `784-500-10`.

    Raises:
        ValueError: if it is anything but positive numbers joined by single hyphens.

    Example:
        >>> parse_widths("784-500-10")
        [784, 500, 10]
    """
    parts = text.split("-")
    if len(parts) < 2 or not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ValueError(f"widths are positive numbers joined by hyphens, as in 784-500-10; got {text!r}")
    return [int(part) for part in parts]
