"""Optimisers as values: what `fit` calls with the parameters that it trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn

Optimiser = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


def sgd(learning_rate: float = 0.1, *, momentum: float = 0.9, weight_decay: float = 0.0) -> Optimiser:
    """Stochastic gradient descent with momentum, to be given to `fit`; the default suits the papers' small networks.

    Example:
        >>> sgd(0.05)([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"]
        0.05
    """
    return lambda parameters: torch.optim.SGD(
        parameters, lr=learning_rate, momentum=momentum, weight_decay=weight_decay
    )


def adam(learning_rate: float = 1e-3, *, weight_decay: float = 0.0) -> Optimiser:
    """Adam with decoupled weight decay (AdamW), to be given to `fit`.

    Example:
        >>> type(adam()([torch.nn.Parameter(torch.zeros(1))])).__name__
        'AdamW'
    """
    return lambda parameters: torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)


def named_optimiser(name: str, learning_rate: float, *, momentum: float = 0.0, weight_decay: float = 0.0) -> Optimiser:
    """An optimiser by its name, as in settings and on the command line.

    Args:
        name: "sgd" or "adam".
        learning_rate: positive and finite.
        momentum: in [0, 1); of "sgd" alone.
        weight_decay: 0 or more, finite.

    Raises:
        ValueError: for another name, or a number out of range.

    Example:
        >>> type(named_optimiser("sgd", 0.1, momentum=0.9)([torch.nn.Parameter(torch.zeros(1))])).__name__
        'SGD'
    """
    if not (0 < learning_rate < math.inf and 0 <= momentum < 1):
        got = f"{learning_rate} and {momentum}"
        raise ValueError(f"the learning rate must be positive and finite and momentum in [0, 1), got {got}")
    if not 0 <= weight_decay < math.inf:
        raise ValueError(f"weight_decay must be 0 or more and finite, got {weight_decay}")
    if name == "sgd":
        return sgd(learning_rate, momentum=momentum, weight_decay=weight_decay)
    if name != "adam":
        raise ValueError(f"the optimiser is sgd or adam, got {name!r}")
    if momentum:
        raise ValueError(f"adam has momentum of its own; leave momentum out, got {momentum}")
    return adam(learning_rate, weight_decay=weight_decay)
