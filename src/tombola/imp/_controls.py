"""What a ticket is compared with: the same mask on other weights, the same weights under other masks.

References:
    [Zhou2019] H. Zhou, J. Lan, R. Liu, J. Yosinski, "Deconstructing lottery tickets: zeros, signs, and the supermask",
        NeurIPS 2019.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from tombola.masks import Masks, count


def reinitialised(
    model: nn.Module, fresh: nn.Module, masks: Masks, *, keep_signs: bool = False, keep_magnitudes: bool = False
) -> nn.Module:
    """The parameters of a fresh model, with the signs or the magnitudes of another, or neither [Zhou2019].

    Args:
        model: whose masked weights may leave signs or magnitudes behind.
        fresh: of the same build, with other random values.
        masks: names the weights that signs or magnitudes are taken of.
        keep_signs: whether weights keep the signs of `model`.
        keep_magnitudes: whether weights keep its magnitudes; their signs are then those of `fresh`.

    Raises:
        ValueError: if both are to be kept, which changes nothing.

    Example:
        >>> old, new = nn.Linear(3, 3), nn.Linear(3, 3)
        >>> masks = {"weight": torch.ones(3, 3, dtype=torch.bool)}
        >>> control = reinitialised(old, new, masks, keep_signs=True)
        >>> control.weight.sign().equal(old.weight.sign()), control.weight.abs().equal(new.weight.abs())
        (True, True)
    """
    if keep_signs and keep_magnitudes:
        raise ValueError("with both signs and magnitudes kept nothing is new; keep one of them, or neither")
    copied = copy.deepcopy(fresh)
    if keep_signs or keep_magnitudes:
        old, new = dict(model.named_parameters()), dict(copied.named_parameters())
        with torch.no_grad():
            for name in masks:
                signs, sizes = (old[name], new[name]) if keep_signs else (new[name], old[name])
                new[name].copy_(torch.where(signs < 0, -1.0, 1.0) * sizes.abs())
    return copied


def shuffled(masks: Masks, *, generator: torch.Generator, across_layers: bool = False) -> Masks:
    """Random masks that keep as many weights: as many of each parameter, or as many in all.

    Args:
        masks: bool tensors by parameter name.
        generator: of the choice.
        across_layers: whether only the number in all is kept.

    Example:
        >>> masks = {"a": torch.tensor([True, False, False]), "b": torch.tensor([True, True, False])}
        >>> mixed = shuffled(masks, generator=torch.Generator().manual_seed(0))
        >>> [int(mask.sum()) for mask in mixed.values()]
        [1, 2]
    """
    if across_layers:
        flat = torch.zeros(sum(mask.numel() for mask in masks.values()), dtype=torch.bool)
        flat[torch.randperm(flat.numel(), generator=generator)[: count(masks)]] = True
        parts = flat.split([mask.numel() for mask in masks.values()])
        return {name: part.view_as(masks[name]).to(masks[name].device) for name, part in zip(masks, parts, strict=True)}
    mixed = {}
    for name, mask in masks.items():
        order = torch.randperm(mask.numel(), generator=generator).to(mask.device)
        mixed[name] = mask.flatten()[order].view_as(mask)
    return mixed
