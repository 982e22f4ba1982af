"""Masks that come with a scale for each weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks, check_masks


@dataclass(frozen=True, eq=False)
class Sketch:
    """Which weights are kept and what each is multiplied with, so that a linear model is right on average.

    Attributes:
        masks: bool tensors by parameter name.
        scale: in the same shapes, float64; 0 where a weight is pruned, and 1 on average over draws.

    Example:
        >>> sketch = Sketch({"w": torch.tensor([True, False])}, {"w": torch.tensor([2.0, 0.0], dtype=torch.float64)})
        >>> sketch.rescaled({"w": torch.tensor([1.5, 4.0])})["w"].tolist()
        [3.0, 0.0]
    """

    masks: Masks
    scale: dict[str, Tensor]

    def rescaled(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Parameters times their scales, as new tensors of the same kind; those without a mask as they are.

        Raises:
            ValueError: if a mask names no parameter or has another shape.
        """
        check_masks(self.masks, parameters)
        return {
            name: torch.where(self.masks[name], value * self.scale[name].to(value), torch.zeros_like(value))
            if name in self.masks
            else value
            for name, value in parameters.items()
        }
