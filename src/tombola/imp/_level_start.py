"""What the training of a level begins with: random numbers of its own, and a masked copy of a network."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tombola.masks import Masks, bake_


def level_generator(seed: int, level: int) -> torch.Generator:
    """The random numbers of a level; those of -1 train the dense network up to the rewind point.

    Example:
        >>> level_generator(0, 2).initial_seed() == level_generator(0, 3).initial_seed()
        False
    """
    drawn = torch.Generator().manual_seed(seed)
    seeds = torch.randint(2**62, (level + 2,), generator=drawn)
    return torch.Generator().manual_seed(int(seeds[-1]))


def masked_copy(model: nn.Module, masks: Masks) -> nn.Module:
    """A copy of a model with its pruned weights at zero; the model stays as it is.

    Example:
        >>> masked_copy(nn.Linear(2, 1), {"weight": torch.tensor([[False, False]])}).weight.detach().abs().sum().item()
        0.0
    """
    copied = copy.deepcopy(model)
    bake_(copied, masks)
    return copied
