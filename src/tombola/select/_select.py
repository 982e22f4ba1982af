"""What a selection is called with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from tombola.masks import Masks

Scores = dict[str, Tensor]


@runtime_checkable
class Select(Protocol):
    """Which weights stay."""

    def __call__(
        self, scores: Mapping[str, Tensor], kept: int | Mapping[str, int], *, generator: torch.Generator
    ) -> Masks:
        """The masks of the weights that stay.

        Args:
            scores: real numbers by parameter name; -inf for weights that are pruned already and do not stay.
            kept: how many in all, or for each parameter.
            generator: of whatever is drawn.

        Returns:
            Bool tensors in the shapes and on the devices of the scores.
        """
        ...
