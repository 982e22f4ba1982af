"""Pruned weights stay at zero while any optimiser trains the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from tombola.masks import Masks, bake_

INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by bytes of a number


def keep_pruned_(optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks) -> RemovableHandle:
    """A handle to the hook that sets pruned weights to zero after every step of the optimiser; they start at zero too.

    Changes `model` in place: the pruned values are gone. `handle.remove()` ends the effect. Exact: a pruned weight is 0
    whenever the model is used, whatever momentum or decay the optimiser keeps for it. Cost: one pass over the masked
    weights per step, a few hundredths of a step.

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
    bits = [(parameters[name], _bits(mask, parameters[name])) for name, mask in local.items()]

    def clear(*_: object) -> None:
        for parameter, kept in bits:
            parameter.detach().view(kept.dtype).bitwise_and_(kept)

    return optimiser.register_step_post_hook(clear)


def _bits(mask: Tensor, parameter: Tensor) -> Tensor:
    """All bits set where a weight is kept, none elsewhere: `&` with them makes any float a zero, in one fast pass."""
    bits = torch.empty_like(parameter, dtype=INTEGERS[parameter.element_size()], requires_grad=False)
    return bits.copy_(torch.where(mask, -1, 0))  # in the order in memory that the weights have
