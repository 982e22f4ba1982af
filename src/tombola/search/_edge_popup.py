"""Edge-popup: the weights with the largest scores make up the network, all others learn from what they would do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tombola.masks import Masks
from tombola.random_source import Law
from tombola.select import top

from ._method import Method
from ._searched import Searched


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
        masks, scores = self.masks(state), state.scores()
        return {
            name: kept_weights(scores[name], weight, masks[name], self.absolute)
            for name, weight in state.frozen().items()
        }

    def masks(self, state: Searched) -> Masks:
        """The largest scores."""
        scores = {name: score.detach() for name, score in state.scores().items()}
        return top({name: score.abs() for name, score in scores.items()} if self.absolute else scores, state.kept)

    def laws(self, state: Searched) -> dict[str, Law]:
        """Those of the source."""
        return state.laws


def kept_weights(scores: Tensor, weight: Tensor, mask: Tensor, absolute: bool) -> Tensor:
    """`mask * weight`, whose gradient with respect to the scores is as if the mask were the scores, or their moduli."""
    return _KeptWeights.apply(scores, weight, mask, absolute)  # pyright: ignore[reportReturnType]


class _KeptWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, weight: Tensor, mask: Tensor, absolute: bool) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(weight, *([scores] if absolute else []))
        return weight.masked_fill(~mask, 0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        weight, *scores = ctx.saved_tensors
        slope = gradients[0] * weight
        return slope.mul_(scores[0].sign()) if scores else slope, None, None, None
