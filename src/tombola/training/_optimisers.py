"""Optimisers as values: what `fit` calls with the parameters that it trains."""

from __future__ import annotations

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
