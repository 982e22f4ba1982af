"""Masks of ordinary models: a bool tensor for each masked parameter, named as in `named_parameters()`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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

    Raises:
        ValueError: if both mask a parameter in different shapes.

    Example:
        >>> combine({"w": torch.tensor([True, True])}, {"w": torch.tensor([True, False])})["w"].tolist()
        [True, False]
    """
    for name in first.keys() & second.keys():
        if first[name].shape != second[name].shape:
            shapes = f"{tuple(first[name].shape)} and {tuple(second[name].shape)}"
            raise ValueError(f"the masks of {name!r} have the shapes {shapes}; combine masks of one model")
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

    def __init__(self, mask: Tensor, order: list[str]) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.order = order  # of all parameters of the module, which taking the parametrisation off would change

    def forward(self, weight: Tensor) -> Tensor:
        return torch.where(self.get_buffer("mask"), weight, torch.zeros_like(weight))


def attach_(model: nn.Module, masks: Masks) -> None:
    """Makes a model read its masked parameters through the masks, in place. `detach_` is the inverse.

    Pruned weights then count as zero in the forward and get no gradient; their values stay in the model.

    Args:
        model: any module whose masked parameters have no parametrisation of their own.
        masks: bool tensors by parameter name, as in `named_parameters()`; kept by the model, so on its device.

    Raises:
        ValueError: if a mask names no parameter or has another shape.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> masks = {"weight": torch.tensor([[True, False]])}
        >>> attach_(layer, masks)
        >>> layer(torch.tensor([[0.0, 1.0]])).item()
        0.0
        >>> detach_(layer, masks)
        >>> layer(torch.tensor([[0.0, 1.0]])).item() == layer.weight[0, 1].item()
        True
    """
    check_masks(masks, dict(model.named_parameters()))
    places = [
        (place, [name for name, _ in place[0].named_parameters(recurse=False)]) for place in _places(model, masks)
    ]
    for (module, leaf, mask), order in places:
        parametrize.register_parametrization(module, leaf, _Masked(mask, order))


def detach_(model: nn.Module, masks: Masks) -> None:
    """Undoes `attach_`: the model reads its dense parameters again, in place.

    Args:
        model: what `attach_` was called with.
        masks: the same; only the names count.

    Raises:
        ValueError: if a mask names a parameter that no mask is attached to; then nothing is undone.
    """
    places = list(_places(model, masks))
    steps = [_attached(module, leaf) for module, leaf, _ in places]
    for step, name in zip(steps, masks, strict=True):
        if step is None:
            raise ValueError(f"no mask is attached to {name!r}")
    for module, leaf, _ in places:
        parametrize.remove_parametrizations(module, leaf, leave_parametrized=False)
    for (module, _, _), step in zip(places, steps, strict=True):
        assert step is not None
        _reorder(module, step.order)


def bake_(model: nn.Module, masks: Masks) -> None:
    """Writes zeros into the pruned weights, in place. Without inverse: the pruned values are gone.

    Raises:
        ValueError: if a mask names no parameter or has another shape.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> bake_(layer, {"weight": torch.tensor([[True, False]])})
        >>> (layer.weight != 0).tolist()
        [[True, False]]
    """
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    with torch.no_grad():
        for name, mask in masks.items():
            parameters[name].copy_(torch.where(mask, parameters[name], torch.zeros_like(parameters[name])))


def _places(model: nn.Module, masks: Masks) -> Iterator[tuple[nn.Module, str, Tensor]]:
    """The module that holds each masked parameter, the parameter's name there, and the mask."""
    for name, mask in masks.items():
        path, _, leaf = name.rpartition(".")
        try:
            yield model.get_submodule(path), leaf, mask
        except AttributeError:
            raise ValueError(f"mask {name!r} names no parameter: the model has no module {path!r}") from None


def _attached(module: nn.Module, leaf: str) -> _Masked | None:
    """The mask that is the only parametrisation of a parameter, if there is one."""
    if not parametrize.is_parametrized(module, leaf):
        return None
    first, *others = module.get_submodule(f"parametrizations.{leaf}").children()
    return first if isinstance(first, _Masked) and not others else None


def _reorder(module: nn.Module, order: list[str]) -> None:
    """Puts a module's own parameters in an order; optimisers go by it. Those that are not there yet are left out."""
    parameters = dict(module.named_parameters(recurse=False))
    for name in order:
        if name in parameters:
            delattr(module, name)
            module.register_parameter(name, parameters[name])
