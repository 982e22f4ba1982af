"""Functions that are easy to write down and hard to find: parities, and one ReLU neuron in many dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def parity(dimension: int) -> nn.Sequential:
    """The product of `dimension` numbers -1 or 1, exactly, by as many hidden units.

    The units are `relu(sum(x) + d - 2 j)`, of which each turns the slope round at one more number of ones.
    """
    hidden, out = nn.Linear(dimension, dimension), nn.Linear(dimension, 1)
    places = torch.arange(dimension)
    signs = 1.0 - 2.0 * ((dimension - places) % 2)
    with torch.no_grad():
        hidden.weight.fill_(1.0)
        hidden.bias.copy_(dimension - 2.0 * places)
        out.weight.copy_(-2.0 * signs[None])
        out.weight[0, 0] /= 2
        out.bias.copy_(signs[:1])
    return nn.Sequential(hidden, nn.ReLU(), out)


def neuron(dimension: int, *, generator: torch.Generator) -> nn.Sequential:
    """`relu(<w, x>)`, w of 2-norm `dimension ** 2` in a random direction."""
    hidden, out = nn.Linear(dimension, 1, bias=False), nn.Linear(1, 1, bias=False)
    direction = torch.randn(dimension, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        hidden.weight.copy_(dimension**2 * direction / direction.norm())
        out.weight.fill_(1.0)
    return nn.Sequential(hidden, nn.ReLU(), out)


def bits(count: int, dimension: int, *, generator: torch.Generator) -> Tensor:
    """Uniform points `(count, dimension)` of {-1, 1}^dimension."""
    return 2.0 * torch.randint(2, (count, dimension), generator=generator) - 1.0


def wrong_signs(found: Tensor, wanted: Tensor) -> float:
    """The share of outputs `(n, 1)` whose sign is not the wanted one."""
    return float(((found > 0) != (wanted > 0)).double().mean())


def relative_error(found: Tensor, wanted: Tensor) -> float:
    """The mean squared error over the mean square of what is wanted."""
    return float((found - wanted).double().square().sum() / wanted.double().square().sum())


def best_neurons(x: Tensor, y: Tensor, features: Tensor) -> Tensor:
    """The outer weights `(k, 1)` with which random neurons `(k, dimension)` fit best: no choice of neurons does better.

    A subnetwork of whole neurons, however it is scaled, is one of these combinations.
    """
    hidden = (x @ features.T).relu().double()
    gram = hidden.T @ hidden + 1e-9 * len(x) * torch.eye(len(features), dtype=torch.float64)
    return torch.linalg.solve(gram, hidden.T @ y.double())
