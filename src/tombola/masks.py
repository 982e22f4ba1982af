"""Masks of ordinary models: a bool tensor for each masked parameter, named as in `named_parameters()`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

Masks = dict[str, Tensor]


def kept_count(numel: int, density: float) -> int:
    """How many of `numel` weights a density keeps: the nearest integer, half away from zero, at least one.

    Raises:
        ValueError: unless 0 < density <= 1.

    Example:
        >>> kept_count(1000, 0.3), kept_count(3, 0.5), kept_count(10, 0.001)
        (300, 2, 1)
    """
    if not 0 < density <= 1:
        raise ValueError(f"density is the kept fraction and lies in (0, 1], got {density}")
    # The decimal that was written is meant, not the binary number next to it.
    exact = Fraction(str(density)) * numel
    return min(numel, max(1, int(exact + Fraction(1, 2))))


def count(masks: Masks) -> int:
    """How many weights are kept.

    Example:
        >>> count({"weight": torch.tensor([True, False, True])})
        2
    """
    return sum(int(mask.sum()) for mask in masks.values())


def density(masks: Masks) -> float:
    """The kept fraction of the masked parameters, 1.0 for no masks at all.

    Example:
        >>> density({"weight": torch.tensor([True, False, True, True])})
        0.75
    """
    total = sum(mask.numel() for mask in masks.values())
    return count(masks) / total if total else 1.0


def combine(first: Masks, second: Masks) -> Masks:
    """Weights that both keep; a parameter that only one of them masks follows that one.

    Example:
        >>> combine({"w": torch.tensor([True, True])}, {"w": torch.tensor([True, False])})["w"].tolist()
        [True, False]
    """
    both = {name: mask & second[name] if name in second else mask for name, mask in first.items()}
    return both | {name: mask for name, mask in second.items() if name not in first}


def apply(masks: Masks, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters with their pruned weights at zero, as new tensors; an infinite pruned weight becomes 0, never NaN.

    Raises:
        ValueError: if a mask names no parameter or has another shape.

    Example:
        >>> apply({"w": torch.tensor([True, False])}, {"w": torch.tensor([2.0, 3.0])})["w"].tolist()
        [2.0, 0.0]
    """
    check_masks(masks, parameters)
    return {
        name: torch.where(masks[name], value, torch.zeros_like(value)) if name in masks else value
        for name, value in parameters.items()
    }


def check_masks(masks: Masks, parameters: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless every mask is a bool tensor of the shape of the parameter that it names."""
    for name, mask in masks.items():
        if name not in parameters:
            raise ValueError(f"mask {name!r} names no parameter; the model has {', '.join(parameters)}")
        if mask.dtype != torch.bool or mask.shape != parameters[name].shape:
            found, wanted = f"{mask.dtype} of shape {tuple(mask.shape)}", tuple(parameters[name].shape)
            raise ValueError(f"mask {name!r} is {found}, wanted torch.bool of shape {wanted}")


class _Masked(nn.Module):
    """The parametrisation that `attach_` registers: pruned weights read as zero and get no gradient."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight: Tensor) -> Tensor:
        return torch.where(self.get_buffer("mask"), weight, torch.zeros_like(weight))


def attach_(model: nn.Module, masks: Masks) -> None:
    """Makes a model read its masked parameters through the masks, in place. `detach_` is the inverse."""
    check_masks(masks, dict(model.named_parameters()))
    _for_each(model, masks, lambda module, leaf, mask: parametrize.register_parametrization(module, leaf, _Masked(mask)))


def detach_(model: nn.Module, masks: Masks) -> None:
    """Undoes `attach_`: the model reads its dense parameters again, in place."""
    _for_each(
        model,
        masks,
        lambda module, leaf, _: parametrize.remove_parametrizations(module, leaf, leave_parametrized=False),
    )


def bake_(model: nn.Module, masks: Masks) -> None:
    """Writes zeros into the pruned weights, in place. Without inverse: the pruned values are gone."""
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].copy_(torch.where(mask, parameters[name], torch.zeros_like(parameters[name])))


def _for_each(model: nn.Module, masks: Masks, change: Callable[[nn.Module, str, Tensor], object]) -> None:
    for name, mask in masks.items():
        path, _, leaf = name.rpartition(".")
        change(model.get_submodule(path), leaf, mask)
