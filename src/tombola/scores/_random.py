"""Chance: the criterion that every other one has to beat."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks, check_masks

from ._score import Batches, Loss


def random(
    model: nn.Module, batches: Batches, *, masks: Masks, loss: Loss, generator: torch.Generator
) -> dict[str, Tensor]:
    """Numbers uniform on [0, 1): the weights that stay are a uniformly random choice.

    Over all parameters together this starves small layers. With an allocation, such as `tombola.allocate.erk`, each
    layer is a random mask of its own, the strongest simple baseline.

    Args:
        model: only the shapes and devices of its parameters count.
        batches: not read.
        masks: of the parameters to be scored.
        loss: not called.
        generator: of the numbers. They are drawn on its device, so that with one of the CPU they do not depend on where
            the model is.

    Returns:
        float64, whatever the parameters are: with the 24 bits of a float32, numbers repeat in large models, and ties go
        by position.

    Raises:
        ValueError: if a mask does not fit.

    Example:
        >>> model = nn.Linear(2, 2, bias=False)
        >>> masks, generator = {"weight": torch.ones(2, 2, dtype=torch.bool)}, torch.Generator().manual_seed(0)
        >>> drawn = random(model, [], masks=masks, loss=nn.functional.mse_loss, generator=generator)
        >>> drawn["weight"].shape, drawn["weight"].unique().numel()
        (torch.Size([2, 2]), 4)
    """
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    return {name: _uniform(mask, generator).to(parameters[name].device) for name, mask in masks.items()}


def _uniform(mask: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(mask.shape, generator=generator, device=generator.device, dtype=torch.float64)
