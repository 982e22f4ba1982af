"""Top-KAST: use the largest weights, train a few more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tombola.dynamic._attaching import (
    forget_,
    gradient_scale,
    largest,
    largest_of,
    refuse_closure,
    refuse_nan,
    trained_parameters,
)
from tombola.dynamic._dynamic_masks import DynamicMasks
from tombola.masks import Masks, kept_count


def top_kast(*, generator: torch.Generator, margin: float = 0.1, every: int = 100, penalty: float = 1e-4) -> TopKast:
    """The network uses the largest weights of each layer, A, and trains these and the next largest, B [Jayakumar2021].

    Masks say how many weights of which parameters are used; which ones, their moduli decide, at once and after every
    `every` steps. Gradients reach B only. What is in B but not in A learns without being used, until it is large
    enough; what is not even in B rests at its value. A penalty on squares makes weights of A give way that are not
    needed; it is stronger by `1 / density` for those that are not used. All steps train: none is lost to the choice.

    Here the model itself is the sparse network at all times, so that the forward needs no parametrisation, and `bake_`
    would change nothing: weights beside A are kept elsewhere and are there only while the optimiser steps. A checkpoint
    of the model alone does not hold them.

    Exact: each layer uses as many weights as its mask has, and others are 0 whenever the model is used. Cost: a second
    copy of the masked weights, about ten passes over them per step, and two sorts whenever A and B are chosen.

    Args:
        generator: breaks ties. Its state has to be the same on all processes that train one model together.
        margin: the fraction of a layer's weights that B has beyond A, in (0, 1]; cut where a layer has fewer.
        every: steps from one choice to the next.
        penalty: what weights of A are multiplied by and added to their gradients, beside the optimiser's own decay.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> model = torch.nn.Linear(4, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0, 1.0, 0.9, 0.1]]))
        >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> method = top_kast(margin=0.25, every=2, generator=torch.Generator().manual_seed(0))
        >>> dynamic = method(optimiser, model, {"weight": torch.tensor([[True, True, False, False]])})
        >>> for _ in range(2):  # pulls at the third and at the fourth weight, of which the third may move
        ...     (-model(torch.tensor([0.0, 0.0, 1.0, 9.0]))).sum().backward()
        ...     optimiser.step()
        ...     optimiser.zero_grad()
        >>> dynamic.masks["weight"].tolist(), round(model.weight[0, 2].item(), 3)
        ([[True, False, True, False]], 1.1)
    """
    return TopKast(generator=generator, margin=margin, every=every, penalty=penalty)


@dataclass(frozen=True, eq=False)
class TopKast:
    """What `top_kast` makes; called to attach it, with an optimiser, a model and masks.

    Example:
        >>> TopKast(generator=torch.Generator(), margin=0.3).backward_count(100, 10)
        40
    """

    generator: torch.Generator
    margin: float = 0.1
    every: int = 100
    penalty: float = 1e-4

    def __post_init__(self) -> None:
        if not 0 < self.margin <= 1 or self.every < 1 or self.penalty < 0:
            got = f"{self.margin}, {self.every} and {self.penalty}"
            raise ValueError(f"margin lies in (0, 1], every is at least 1 and penalty 0 or more, got {got}")

    def __call__(self, optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks) -> DynamicMasks:
        """Attaches the method, in place; steps are counted from here.

        Args:
            optimiser: trains the masked parameters; its step is called without closure.
            model: holds them. Weights that are not used are zero from now on, and after `.remove()` they are lost.
            masks: on any device. Only their names and their numbers of kept weights count.

        Raises:
            ValueError: if a mask does not fit, or its parameter is frozen or not trained by the optimiser; by a later
                step, if it has a closure.
            FloatingPointError: if there is NaN among the weights when some are chosen, now or later.
        """
        return _Attached(self, optimiser, model, masks).handle

    def backward_count(self, numel: int, used: int) -> int:
        """How many weights of a layer are trained, if some are used."""
        return min(numel, used + kept_count(numel, self.margin))


class _Layer:
    """One parameter: the weights that are used, those that are trained, and the values of those that are not used."""

    def __init__(self, parameter: nn.Parameter, used: int) -> None:
        self.parameter, self.count = parameter, used
        self.used = self.trained = torch.ones_like(parameter, dtype=torch.bool)
        self.rest = torch.zeros_like(parameter)

    def choose(self, method: TopKast) -> Tensor:
        """Chooses by modulus, from all weights in the parameter; gives back which trained ones are new."""
        moduli, before = self.parameter.detach().abs(), self.trained
        self.used = largest(moduli, self.count, method.generator)
        more = method.backward_count(moduli.numel(), self.count) - self.count
        self.trained = self.used | largest_of(moduli, ~self.used, more, method.generator)
        return self.trained & ~before

    def hide(self) -> None:
        """Leaves the weights that are used in the parameter, and keeps the others."""
        weight, zero = self.parameter.detach(), torch.zeros_like(self.rest)
        self.rest = torch.where(self.used, zero, weight)
        weight.copy_(torch.where(self.used, weight, zero))

    def show(self, penalty: float) -> None:
        """Puts all weights into the parameter, and leaves the gradients of those that are trained, with the penalty."""
        weight, gradient = self.parameter.detach(), self.parameter.grad
        weight.copy_(torch.where(self.used, weight, self.rest))
        if gradient is not None:
            unused = penalty * weight.numel() / max(1, self.count)
            pulled = gradient + weight * torch.where(self.used, penalty, unused).to(weight.dtype)
            self.parameter.grad = torch.where(self.trained, pulled, torch.zeros_like(pulled))

    def rest_again(self) -> None:
        """Undoes what momentum and decay did to weights that are not trained."""
        weight = self.parameter.detach()
        weight.copy_(torch.where(self.trained, weight, self.rest))


class _Attached:
    """The method at work on one optimiser."""

    def __init__(self, method: TopKast, optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks) -> None:
        self.method, self.done = method, 0
        parameters = trained_parameters(optimiser, model, masks)
        self.layers = {name: _Layer(parameters[name], int(mask.sum())) for name, mask in masks.items()}
        for name, layer in self.layers.items():
            refuse_nan(name, layer.parameter.detach())
            layer.choose(method)
            layer.hide()
        self.hooks = [
            optimiser.register_step_pre_hook(self.before_step),
            optimiser.register_step_post_hook(self.after_step),
        ]
        self.handle = DynamicMasks(self.masks(), self.remove)

    def masks(self) -> Masks:
        return {name: layer.used for name, layer in self.layers.items()}

    def remove(self) -> None:
        for hook in self.hooks:
            hook.remove()

    def before_step(self, optimiser: torch.optim.Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        refuse_closure(args, kwargs)
        for layer in self.layers.values():
            layer.show(self.method.penalty * gradient_scale(optimiser))

    def after_step(self, optimiser: torch.optim.Optimizer, *_: object) -> None:
        self.done += 1
        for name, layer in self.layers.items():
            layer.rest_again()
            if self.done % self.method.every == 0:
                refuse_nan(name, layer.parameter.detach())
                forget_(optimiser, layer.parameter, layer.choose(self.method))
            layer.hide()
        if self.layers and self.done % self.method.every == 0:
            self.handle.update(self.masks())
