"""Pruned weights stay at zero while any optimiser trains the others."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from tombola.masks import Masks, bake_


def keep_pruned_(optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks) -> RemovableHandle:
    """A handle to the hook that sets pruned weights to zero after every step of the optimiser; they start at zero too.

    Changes `model` in place: the pruned values are gone. `handle.remove()` ends the effect. Exact: a pruned weight is 0
    whenever the model is used, whatever momentum or decay the optimiser keeps for it. Cost: one pass over the masked
    weights per step.

    Args:
        optimiser: trains parameters of `model`.
        model: its masked parameters may be frozen or trained.
        masks: on any device; copied to that of their parameters.

    Raises:
        ValueError: if a mask names no parameter or has another shape.

    Example:
        >>> model = nn.Linear(2, 1)
        >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> handle = keep_pruned_(optimiser, model, {"weight": torch.tensor([[True, False]])})
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimiser.step()
        >>> (model.weight != 0).tolist()
        [[True, False]]
    """
    parameters = dict(model.named_parameters())
    local = {name: mask.to(parameters[name].device) if name in parameters else mask for name, mask in masks.items()}
    bake_(model, local)
    return optimiser.register_step_post_hook(lambda *_: bake_(model, local))
