"""Dropping the smallest weights of every layer and growing as many others, while any loop trains."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tombola.dynamic._attaching import (
    forget_,
    is_skipped,
    largest_of,
    refuse_closure,
    refuse_nan,
    trained_parameters,
)
from tombola.dynamic._dynamic_masks import DynamicMasks
from tombola.masks import Masks
from tombola.training import keep_pruned_

Growth = Callable[[Tensor, Tensor], Tensor]
"""Scores of the weights to grow, `(weight, gradient) -> scores` in one shape; the largest grow, chance decides ties."""


@dataclass(frozen=True, eq=False)
class DropAndGrow:
    """A method that exchanges weights every so many steps; called to attach it.

    At step t, a multiple of `every` below `T = until * steps`, each layer of n kept weights drops the
    `floor(f n)` of smallest modulus, `f = fraction / 2 (1 + cos(pi t / T))`, and grows as many of the largest `growth`.
    Such a step trains nothing: the gradients are used up, so that no parameter of the optimiser moves. Grown weights
    start at zero, and with nothing in the optimiser's memory. A step that has nothing to exchange trains as usual.

    Exact: each layer keeps its number of weights, and pruned weights are 0 after every step. Cost: what `keep_pruned_`
    costs, and two sorts of the weights at each exchange.

    Args:
        growth: scores of the weights to grow, from weights and dense gradients; only pruned ones are looked at.
        steps: of the whole training; only `until` uses it.
        generator: breaks ties. Its state has to be the same on all processes that train one model together.
        fraction: of the kept weights that the first exchange drops, about; in (0, 1).
        every: steps from one exchange to the next.
        until: the fraction of the steps after which masks stay, in (0, 1].
        regrow_dropped: whether a weight that has just been dropped may be grown; it then goes on with its value.
        only_unused: whether only weights grow that were never kept before, as long as there are any.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> smallest_first = lambda weight, gradient: -gradient.abs()
        >>> method = DropAndGrow(smallest_first, steps=1000, generator=torch.Generator().manual_seed(0))
        >>> [round(method.share(step), 3) for step in (0, 100, 101, 400, 700, 750, 800)]
        [0.0, 0.287, 0.0, 0.134, 0.003, 0.0, 0.0]
    """

    growth: Growth
    steps: int
    generator: torch.Generator
    fraction: float = 0.3
    every: int = 100
    until: float = 0.75
    regrow_dropped: bool = True
    only_unused: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.every < 1:
            raise ValueError(f"steps and every must be at least 1, got {self.steps} and {self.every}")
        if not 0 < self.fraction < 1 or not 0 < self.until <= 1:
            raise ValueError(f"fraction lies in (0, 1) and until in (0, 1], got {self.fraction} and {self.until}")

    def __call__(self, optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks) -> DynamicMasks:
        """Attaches the method and sets the pruned weights to zero, in place; steps are counted from here.

        Args:
            optimiser: trains the masked parameters. Its step is called without closure, and passes over parameters
                that have no gradient, as torch's do.
            model: holds them.
            masks: with which to begin, on any device; empty ones do nothing.

        Returns:
            A handle with the masks as they are at any time; `.remove()` takes the method off again.

        Raises:
            ValueError: if a mask does not fit, or its parameter is frozen or not trained by the optimiser; by a later
                step, if it has a closure.
            FloatingPointError: by a later step that exchanges weights, if there is NaN among them or their gradients.
        """
        return _Attached(self, optimiser, model, masks).handle

    def share(self, step: int) -> float:
        """The share `f` of the kept weights that is dropped at a step, counted from 0; 0.0 at most steps."""
        end = self.until * self.steps
        if step < 1 or step >= end or step % self.every:
            return 0.0
        return self.fraction / 2 * (1 + math.cos(math.pi * step / end))

    def exchange(self, weight: Tensor, gradient: Tensor, kept: Tensor, ever: Tensor, share: float) -> Tensor:
        """The mask of one layer after an exchange; changes nothing.

        Args:
            weight: of any shape.
            gradient: dense, in the same shape.
            kept: the mask so far.
            ever: the weights that have been kept at any time.
            share: of the kept weights to drop.
        """
        number = self._number(kept, ever, share)
        if number == 0:
            return kept
        stays = largest_of(weight.abs(), kept, int(kept.sum()) - number, self.generator)
        candidates = ~ever if self.only_unused else ~(stays if self.regrow_dropped else kept)
        return stays | largest_of(self.growth(weight, gradient), candidates, number, self.generator)

    def _number(self, kept: Tensor, ever: Tensor, share: float) -> int:
        """How many weights of a layer to exchange; none if there are no others, as regrowing alone is no exchange."""
        wanted, free = math.floor(share * int(kept.sum())), int((~(ever if self.only_unused else kept)).sum())
        is_limited = free == 0 or self.only_unused or not self.regrow_dropped
        return min(wanted, free) if is_limited else wanted


class _Attached:
    """A method at work on one optimiser: its hooks and the number of steps so far."""

    def __init__(self, method: DropAndGrow, optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks) -> None:
        self.method, self.model, self.done = method, model, 0
        self.parameters = trained_parameters(optimiser, model, masks)
        local = {name: mask.to(self.parameters[name].device, copy=True) for name, mask in masks.items()}
        self.keep = keep_pruned_(optimiser, model, local)
        self.hook = optimiser.register_step_pre_hook(self.before_step)
        self.handle = DynamicMasks(local, self.remove)

    def remove(self) -> None:
        self.keep.remove()
        self.hook.remove()

    def before_step(self, optimiser: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        refuse_closure(args, kwargs)
        share, self.done = self.method.share(self.done), self.done + 1
        if share and not is_skipped(optimiser) and self.exchange(optimiser, share):
            for group in optimiser.param_groups:
                for parameter in group["params"]:
                    parameter.grad = None  # the optimiser passes over it, with its momentum and decay

    def exchange(self, optimiser: torch.optim.Optimizer, share: float) -> bool:
        """Whether there was something to exchange; then it is done."""
        before, ever, after = self.handle.masks, self.handle.ever, {}
        for name, parameter in self.parameters.items():
            weight, gradient, after[name] = parameter.detach(), parameter.grad, before[name]
            if gradient is not None:
                refuse_nan(name, weight, gradient)
                after[name] = self.method.exchange(weight, gradient, before[name], ever[name], share)
        if all(after[name] is before[name] for name in before):
            return False
        for name, parameter in self.parameters.items():
            grown = after[name] & ~before[name]
            parameter.detach().masked_fill_(grown, 0)
            forget_(optimiser, parameter, grown)
        self.keep.remove()
        self.keep = keep_pruned_(optimiser, self.model, after)
        self.handle.update(after)
        return True
