"""Biprop: tickets with two values in each layer, which are signs and masks and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks
from tombola.random_source import Law, Mirrored, SignedConstant

from ._edge_popup import EdgePopup
from ._kept_weights import kept_weights
from ._method import Method
from ._searched import Searched
from ._straight_through import straight_through


def biprop(*, by_layer: bool = True) -> Method:
    """Edge-popup on the signs of the weights, times the mean modulus of those that a layer keeps [Diffenderfer2021].

    The network computes with `alpha * sign(W) * mask`, where `alpha` is the mean of `|W|` over the mask; no gradient is
    taken of `alpha`. The gradient of a score is that of its weight times `W`, as in the authors' later code, and its
    sign, since moduli of scores are compared. The ticket's values are signed constants of size `alpha` at the addresses
    of the source: at one address the signs of all laws agree. So nothing but `alpha` is stored beside seed and masks.

    Activations are not made binary (MPT-1/1); these are the tickets that are called MPT-1/32.

    Args:
        by_layer: whether each layer keeps the same share, as published, instead of all layers together.

    Example:
        >>> biprop().by_layer
        True
    """
    return Biprop(EdgePopup(by_layer, absolute=True))


@dataclass(frozen=True)
class Biprop:
    """What `biprop` returns."""

    popup: EdgePopup

    @property
    def by_layer(self) -> bool:
        """Whether each parameter keeps the same share."""
        return self.popup.by_layer

    def first(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """As for edge-popup."""
        return self.popup.first(weight, generator)

    def memory(self, weight: Tensor) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def before_step(self, state: Searched) -> None:
        """Nothing changes but by gradients."""

    def weights(self, state: Searched) -> dict[str, Tensor]:
        """The signs of the weights that are kept, times their mean modulus."""
        scores, frozen = state.scores(), state.frozen()
        kept = kept_weights(scores, frozen, state.kept, absolute=True)
        return {
            name: straight_through(scores[name], _sized_signs(values), frozen[name], signs=True)
            for name, values in kept.items()
        }

    def masks(self, state: Searched) -> Masks:
        """The largest moduli of scores."""
        return self.popup.masks(state)

    def laws(self, state: Searched) -> dict[str, Law]:
        """Signed constants at the same addresses; a layer of which nothing is kept has the law that it had."""
        kept = kept_weights(state.scores(), state.frozen(), state.kept, absolute=True)
        return {name: _binary(law, float(_mean_modulus(kept[name]))) for name, law in state.laws.items()}

    def free_density(self, state: Searched) -> float | None:
        """None: what stays is a number, not those above a threshold."""
        return None


def _binary(law: Law, magnitude: float) -> Law:
    if not magnitude:
        return law
    return Mirrored(SignedConstant(magnitude)) if isinstance(law, Mirrored) else SignedConstant(magnitude)


def _sized_signs(values: Tensor) -> Tensor:
    """The signs of numbers, times the mean modulus of those that are not 0."""
    return values.sign().mul_(_mean_modulus(values).to(values.dtype))


def _mean_modulus(values: Tensor) -> Tensor:
    """The mean modulus of those numbers that are not 0, float64; 0 if there is none."""
    return values.abs().sum(dtype=torch.float64) / values.count_nonzero().clamp(min=1)
