"""What all methods need of an optimiser: its parameters, its state, and steps that do not hide their gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tombola.masks import Masks, check_masks
from tombola.select import top


def trained_parameters(optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks) -> dict[str, nn.Parameter]:
    """The masked parameters by name.

    Raises:
        ValueError: if a mask does not fit, or its parameter is frozen or not trained by this optimiser.
    """
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    trained = {id(parameter) for group in optimiser.param_groups for parameter in group["params"]}
    for name in masks:
        if not parameters[name].requires_grad:
            raise ValueError(f"{name!r} is frozen; a mask can only change where weights are trained, so leave it out")
        if id(parameters[name]) not in trained:
            raise ValueError(f"{name!r} is a parameter that the optimiser does not train; give it to the optimiser")
    return {name: parameters[name] for name in masks}


def refuse_closure(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raises ValueError if an optimiser's step was called with a closure, which makes gradients behind our back."""
    if any(callable(value) for value in (*args[1:], kwargs.get("closure"))):
        raise ValueError("masks change by the gradients before a step; call optimiser.step() without closure")


def refuse_nan(name: str, *tensors: Tensor) -> None:
    """Raises FloatingPointError if a weight or gradient by which masks are chosen is undefined."""
    if any(bool(tensor.isnan().any()) for tensor in tensors):
        raise FloatingPointError(f"{name!r} or its gradient holds NaN; training has diverged, try a smaller rate")


def is_skipped(optimiser: torch.optim.Optimizer) -> bool:
    """Whether a fused optimiser will pass over this step, as its scaled gradients have overflown."""
    overflown = getattr(optimiser, "found_inf", None)
    return overflown is not None and bool(overflown)


def gradient_scale(optimiser: torch.optim.Optimizer) -> float:
    """What a fused optimiser will divide the gradients by; others find them divided already."""
    scale = getattr(optimiser, "grad_scale", None)
    return 1.0 if scale is None else float(scale)


def forget_(optimiser: torch.optim.Optimizer, parameter: nn.Parameter, places: Tensor) -> None:
    """Sets what an optimiser remembers of some weights to zero: all of its state that has the parameter's shape."""
    for value in optimiser.state.get(parameter, {}).values():
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            value.masked_fill_(places, 0)


def largest(scores: Tensor, kept: int, generator: torch.Generator) -> Tensor:
    """Which scores are the largest, `kept` of them; among equal ones chance decides.

    All scores equal is thus a uniformly random choice of exactly `kept`. -inf never stays unless there is nothing else.

    Args:
        scores: of any shape.
        kept: how many.
        generator: of the chance, on any device.
    """
    order = torch.randperm(scores.numel(), generator=generator, device=generator.device).to(scores.device)
    chosen = torch.empty(scores.numel(), dtype=torch.bool, device=scores.device)
    chosen[order] = top({"weights": scores.flatten()[order]}, {"weights": kept})["weights"]
    return chosen.view_as(scores)


def largest_of(scores: Tensor, candidates: Tensor, kept: int, generator: torch.Generator) -> Tensor:
    """The same among some places; there must be as many."""
    return largest(scores.masked_fill(~candidates, -torch.inf), kept, generator)
