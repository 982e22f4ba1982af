"""The seam of training: what every loop is called with, the library's own and a caller's."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import nn

from tombola.masks import Masks


@runtime_checkable
class Train(Protocol):
    """A training loop: `Trainer`, or anybody's own."""

    def __call__(
        self, model: nn.Module, masks: Masks, *, start: int, stop: int, generator: torch.Generator
    ) -> nn.Module:
        """A copy of a model, trained from step `start` up to step `stop`, with pruned weights at zero."""
        ...
