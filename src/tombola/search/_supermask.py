"""Supermasks: each weight is there with a probability of its own, and the probabilities are trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks, apply
from tombola.random_source import Law

from ._kept_weights import kept_masks
from ._method import Method
from ._schemes import resized
from ._searched import Searched
from ._straight_through import straight_through


def supermask(*, by_layer: bool = True, rescale: bool = False, first: float = 0.5) -> Method:
    """A mask is drawn anew at every step: each weight stays with probability `sigmoid(score)` [Zhou2019].

    The gradient passes through the draw to the probabilities. Published searches have no density to meet, and draw
    masks in evaluation as well. Here the masks of evaluation and of the ticket are fixed: the largest probabilities, as
    many as the density asks for. `Found.free_density` is the mean probability, the density that the search would have
    had of its own; where it is far from the one asked for, the ticket is another network than the one that was trained.
    Scores move slowly, since their gradients are small: published learning rates go up to 100.

    Args:
        by_layer: whether each layer keeps the same share in the end, instead of all layers together.
        rescale: whether weights are multiplied by how many there are for each that is drawn, layer by layer (dynamic
            weight rescaling). No gradient is taken of this factor. The ticket's laws are as much wider.
        first: the probability that all weights start with.

    Raises:
        ValueError: unless `first` lies between 0 and 1.

    Example:
        >>> supermask(rescale=True).first(torch.zeros(2), torch.Generator())
        tensor([0., 0.])
    """
    if not 0 < first < 1:
        raise ValueError(f"first is a probability between 0 and 1, got {first}")
    return Supermask(by_layer, rescale, first)


@dataclass(frozen=True)
class Supermask:
    """What `supermask` returns."""

    by_layer: bool
    rescale: bool
    start: float

    def first(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """The same for all."""
        return torch.full_like(weight, math.log(self.start / (1 - self.start)))

    def memory(self, weight: Tensor) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def before_step(self, state: Searched) -> None:
        """Nothing changes but by gradients."""

    def weights(self, state: Searched) -> dict[str, Tensor]:
        """Under masks that are drawn, in evaluation under those of the ticket."""
        frozen = state.frozen()
        if state.training:
            return {name: self._drawn(state, name, weight) for name, weight in frozen.items()}
        masks = self.masks(state)
        return {name: weight * self._factor(masks[name]) for name, weight in apply(masks, frozen).items()}

    def masks(self, state: Searched) -> Masks:
        """The largest probabilities."""
        return kept_masks(state.scores(), state.kept, absolute=False)

    def laws(self, state: Searched) -> dict[str, Law]:
        """Those of the source, or as much wider as the rescaling of the masks says."""
        if not self.rescale:
            return state.laws
        masks = self.masks(state)
        return {name: resized(law, self._factor(masks[name])) for name, law in state.laws.items()}

    def free_density(self, state: Searched) -> float | None:
        """The mean probability."""
        scores = [score.detach() for score in state.scores().values()]
        return sum(float(score.sigmoid().sum()) for score in scores) / sum(score.numel() for score in scores)

    def _drawn(self, state: Searched, name: str, weight: Tensor) -> Tensor:
        score = state.scores()[name]
        chance = score.detach().sigmoid()
        mask = state.noise(name) < chance
        scaled = weight * self._factor(mask)
        return straight_through(score, scaled.masked_fill(~mask, 0), scaled * chance * (1 - chance))

    def _factor(self, mask: Tensor) -> float:
        """How many weights there are for each that stays; 1 where none does."""
        kept = int(mask.sum()) if self.rescale else 0
        return mask.numel() / kept if kept else 1.0
