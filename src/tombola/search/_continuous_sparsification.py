"""Continuous sparsification: soft masks that harden while they are trained."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks, apply
from tombola.random_source import Law

from ._kept_weights import kept_masks
from ._method import Method
from ._searched import Searched


def continuous_sparsification(
    *, by_layer: bool = True, beta: float = 200.0, penalty: float = 0.0, first: float = 0.0
) -> Method:
    """Weights times `sigmoid(beta s)`, where `beta` grows from 1 exponentially over the steps [Savarese2020].

    The gradient is that of the soft mask: nothing is passed through. What scores above 0 would be the mask in the end.

    Ours is that the weights stay frozen, where the published method trains and rewinds them; that there is one round;
    that the soft mask is not divided by its first value; and that evaluation and ticket keep exactly as many as the
    density asks for, those with the largest scores. Without a penalty about as many stay as go; `Found.free_density`
    says how many would have stayed without a number to meet. What is cut off beyond that was in the network that was
    trained, so choose the penalty such that the two are close.

    Args:
        by_layer: whether each layer keeps the same share in the end, instead of all layers together.
        beta: its last value, above 1.
        penalty: the factor of the sum of all soft masks that is added to the loss.
        first: the score that all weights start with.

    Raises:
        ValueError: for numbers out of range.

    Example:
        >>> method = continuous_sparsification(beta=100.0)
        >>> [round(float(method.beta(torch.tensor(step), 101)), 3) for step in (0, 50, 100)]
        [1.0, 10.0, 100.0]
    """
    if not 1 < beta < float("inf") or not 0 <= penalty < float("inf") or not abs(first) < float("inf"):
        raise ValueError(
            f"beta is above 1, penalty at least 0 and first finite, got {beta}, {penalty} and {first}; all are finite"
        )
    return ContinuousSparsification(by_layer, beta, penalty, first)


@dataclass(frozen=True)
class ContinuousSparsification:
    """What `continuous_sparsification` returns."""

    by_layer: bool
    last: float
    penalty: float
    start: float

    def first(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """The same for all."""
        return torch.full_like(weight, self.start)

    def memory(self, weight: Tensor) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def before_step(self, state: Searched) -> None:
        """Nothing changes but by gradients."""

    def beta(self, step: Tensor, steps: int) -> Tensor:
        """How steep the sigmoid is at a step, float64; as at the last one after the end."""
        done = step.double().clamp(0, steps - 1) / max(1, steps - 1)
        return self.last**done

    def weights(self, state: Searched) -> dict[str, Tensor]:
        """The frozen weights times soft masks, in evaluation under those of the ticket."""
        frozen = state.frozen()
        if not state.training:
            return apply(self.masks(state), frozen)
        beta = self.beta(state.step - 1, state.steps)
        found = {}
        for name, score in state.scores().items():
            soft = torch.sigmoid(score * beta.to(score.dtype))
            if self.penalty and soft.requires_grad:
                soft.register_hook(lambda gradient: gradient + self.penalty)  # that of the sum of all soft masks
            found[name] = frozen[name] * soft
        return found

    def masks(self, state: Searched) -> Masks:
        """The largest scores."""
        return kept_masks(state.scores(), state.kept, absolute=False)

    def laws(self, state: Searched) -> dict[str, Law]:
        """Those of the source."""
        return state.laws

    def free_density(self, state: Searched) -> float | None:
        """The share of the scores above 0."""
        scores = [score.detach() for score in state.scores().values()]
        return sum(int((score > 0).sum()) for score in scores) / sum(score.numel() for score in scores)
