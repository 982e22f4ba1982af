"""Edge-popup: the weights with the largest scores make up the network, all others learn from what they would do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks
from tombola.random_source import Law

from ._kept_weights import kept_masks, kept_weights
from ._method import Method
from ._searched import Searched
from ._straight_through import straight_through


def edge_popup(*, by_layer: bool = True, absolute: bool = True) -> Method:
    """The top scores of each layer stay; the gradient of a score is that of its weight times the weight.

    The gradient passes through the selection as if it were the identity, to pruned weights too [Ramanujan2020]. First
    scores are uniform within `1 / sqrt(fan_in)`. The selection is exact, ties go to the first, and takes no sort.

    Args:
        by_layer: whether each layer keeps the same share, as published, instead of all layers together.
        absolute: whether moduli of scores are compared, as in the authors' code; otherwise the scores themselves.

    Example:
        >>> edge_popup().by_layer, edge_popup(by_layer=False).by_layer
        (True, False)
    """
    return EdgePopup(by_layer, absolute)


@dataclass(frozen=True)
class EdgePopup:
    """What `edge_popup` returns."""

    by_layer: bool
    absolute: bool

    def first(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """Uniform within one over the root of the fan-in, which for a vector is its length."""
        bound = 1 / math.sqrt(weight[0].numel() if weight.ndim > 1 else weight.numel())
        noise = torch.rand(weight.shape, generator=generator, device=generator.device)
        return (2 * bound * noise - bound).to(weight.device, weight.dtype)

    def memory(self, weight: Tensor) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def before_step(self, state: Searched) -> None:
        """Nothing changes but by gradients."""

    def weights(self, state: Searched) -> dict[str, Tensor]:
        """The frozen weights that are kept, 0 elsewhere."""
        scores, frozen = state.scores(), state.frozen()
        kept = kept_weights(scores, frozen, state.kept, absolute=self.absolute)
        return {
            name: straight_through(scores[name], values, frozen[name], signs=self.absolute)
            for name, values in kept.items()
        }

    def masks(self, state: Searched) -> Masks:
        """The largest scores."""
        return kept_masks(state.scores(), state.kept, absolute=self.absolute)

    def laws(self, state: Searched) -> dict[str, Law]:
        """Those of the source."""
        return state.laws

    def free_density(self, state: Searched) -> float | None:
        """None: what stays is a number, not those above a threshold."""
        return None
