"""Whether two networks lie in one valley: the error along the straight line between their weights.

References:
    [Frankle2020] J. Frankle, G. K. Dziugaite, D. Roy, M. Carbin, "Linear mode connectivity and the lottery ticket
        hypothesis", ICML 2020.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from tombola.masks import Masks

POINTS = 30  # as in [Frankle2020]


@dataclass(frozen=True, eq=False)
class Barrier:
    """Errors along a line.

    Attributes:
        alphas: `(points,)` from 0, the first network, to 1, the second.
        errors: `(points,)` what `error` said there.
        height: the largest error less the mean of those at both ends. Near 0 also for networks at chance: look at the
            errors as well.
    """

    alphas: np.ndarray
    errors: np.ndarray

    @property
    def height(self) -> float:
        """The largest error less the mean of those at both ends."""
        return float(self.errors.max() - (self.errors[0] + self.errors[-1]) / 2)


def barrier(
    first: nn.Module,
    second: nn.Module,
    error: Callable[[nn.Module], float],
    *,
    points: int = POINTS,
    prepare: Callable[[nn.Module], object] | None = None,
) -> Barrier:
    """The error along the straight line between two networks of the same build [Frankle2020].

    Args:
        first: one end; pruned weights of both are interpolated like all others.
        second: the other.
        error: of a network, as a fraction.
        points: on the line, both ends among them.
        prepare: called with every network in between before its error is measured; may change it, and should
            re-estimate the statistics of batch norm where there is any.

    Raises:
        ValueError: if the networks are not of the same build, or there are fewer than two points.

    Example:
        >>> one, other = nn.Linear(1, 1), nn.Linear(1, 1)
        >>> _ = one.weight.data.fill_(1.0), other.weight.data.fill_(-1.0)
        >>> barrier(one, other, lambda net: 1 - abs(float(net.weight.detach())), points=3).height
        1.0
    """
    if points < 2:
        raise ValueError(f"a line has at least two points, got {points}")
    ends = first.state_dict(), second.state_dict()
    shapes = [{name: value.shape for name, value in end.items()} for end in ends]
    if shapes[0] != shapes[1]:
        raise ValueError("the networks are not of the same build: names or shapes of their tensors differ")
    alphas, between = np.linspace(0, 1, points), copy.deepcopy(first)
    errors = np.empty(points)
    for k, alpha in enumerate(alphas.tolist()):
        between.load_state_dict({name: _mixed(value, ends[1][name], alpha) for name, value in ends[0].items()})
        if prepare is not None and 0 < alpha < 1:
            prepare(between)
        errors[k] = error(between)
    return Barrier(alphas, errors)


def _mixed(one: torch.Tensor, other: torch.Tensor, alpha: float) -> torch.Tensor:
    """A point between two tensors; of whole numbers, such as counts of batches, the first."""
    return torch.lerp(one, other.to(one.device), alpha) if one.is_floating_point() else one


def sign_agreement(first: nn.Module, second: nn.Module, masks: Masks) -> float:
    """The fraction of kept weights that have the same sign in both networks.

    Raises:
        ValueError: if nothing is kept.

    Example:
        >>> one, other = nn.Linear(2, 1), nn.Linear(2, 1)
        >>> _ = one.weight.data.copy_(torch.tensor([[1.0, 2.0]])), other.weight.data.copy_(torch.tensor([[3.0, -4.0]]))
        >>> sign_agreement(one, other, {"weight": torch.tensor([[True, True]])})
        0.5
    """
    ours, theirs = dict(first.named_parameters()), dict(second.named_parameters())
    same = [(ours[name].sign() == theirs[name].sign())[mask] for name, mask in masks.items()]
    together = torch.cat([one.flatten() for one in same]) if same else torch.zeros(0)
    if not together.numel():
        raise ValueError("no weight is kept: there are no signs to compare")
    return float(together.double().mean())
