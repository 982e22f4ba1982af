"""Magnitude at initialisation, as it is and for each layer on its own scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks, apply, check_masks

from ._masked import finite
from ._score import Batches, Loss


def magnitude(
    model: nn.Module, batches: Batches, *, masks: Masks, loss: Loss, generator: torch.Generator
) -> dict[str, Tensor]:
    """The moduli of the weights, 0 for pruned ones.

    At initialisation a layer's scale is that of its law, so that over all layers together this is in effect a rule for
    how many weights each layer keeps: wide layers have small weights and empty first. `relative_magnitude` is without
    that effect.

    Args:
        model: whose weights are scored.
        batches: not read.
        masks: of the parameters to be scored.
        loss: not called.
        generator: not used.

    Raises:
        ValueError: if a mask does not fit, or a kept weight is not finite.

    Example:
        >>> model = nn.Linear(3, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[0.5, -3.0, 2.0]]))
        >>> masks = {"weight": torch.tensor([[True, True, False]])}
        >>> scores = magnitude(model, [], masks=masks, loss=nn.functional.mse_loss, generator=torch.Generator())
        >>> scores["weight"].tolist()
        [[0.5, 3.0, 0.0]]
    """
    return finite({name: weight.abs() for name, weight in _kept(model, masks).items()})


def relative_magnitude(
    model: nn.Module, batches: Batches, *, masks: Masks, loss: Loss, generator: torch.Generator
) -> dict[str, Tensor]:
    """The moduli of the weights in units of their layer's root mean square over kept weights.

    Under a law of mean zero that is the standard deviation, and at initialisation layers of one law are then alike.

    Args:
        model: whose weights are scored.
        batches: not read.
        masks: of the parameters to be scored.
        loss: not called.
        generator: not used.

    Returns:
        Numbers whose mean square over the kept weights of a layer is 1; all 0 where these are all 0.

    Raises:
        ValueError: if a mask does not fit, or a kept weight is not finite.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[30.0, -40.0]]))
        >>> masks = {"weight": torch.ones(1, 2, dtype=torch.bool)}
        >>> scores = relative_magnitude(
        ...     model, [], masks=masks, loss=nn.functional.mse_loss, generator=torch.Generator()
        ... )
        >>> round(scores["weight"].square().sum().item(), 5)
        2.0
    """
    weights = _kept(model, masks)
    return finite({name: _in_units(weight.abs(), masks[name]) for name, weight in weights.items()})


def _kept(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """The masked parameters with pruned weights at zero, detached."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}
    check_masks(masks, parameters)
    local = {name: mask.to(parameters[name].device) for name, mask in masks.items()}
    return apply(local, {name: parameters[name] for name in masks})


def _in_units(moduli: Tensor, mask: Tensor) -> Tensor:
    """Moduli over their root mean square; by the largest first, so that no square leaves the range of floats."""
    largest = moduli.max() if moduli.numel() else moduli.sum()
    if largest == 0:
        return moduli
    scaled = moduli / largest
    return scaled / (scaled.square().sum() / mask.sum()).sqrt()
