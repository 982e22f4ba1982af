"""Gem-Miner: scores are rounded to masks, and on the way the smallest of them are taken out for good."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks, apply
from tombola.random_source import Law

from ._kept_weights import kept_masks
from ._method import Method
from ._searched import Searched
from ._straight_through import straight_through


def gem_miner(*, freezes: int = 20, penalty: float = 0.0) -> Method:
    """Scores in [0, 1], rounded to masks; more and more of the smallest are frozen at 0 [Sreenivasan2022].

    A weight is in the network where its score is 0.5 or more and not frozen; gradients pass through the rounding as if
    it were the identity, to scores that are not frozen. Scores start uniform and are clipped after each step. After
    freeze `j` of `n` the fraction `density ** (j / n)`, that is `exp(-c j)` with `c = ln(1 / density) / n`, is not
    frozen, over all layers together. The printed algorithm takes out a fraction of `1 - exp(c T)`, which is negative;
    `1 - exp(-c T)` is meant, as in the authors' code.

    The freezes are spread evenly over the search, the last of them one interval before its end, so that the scores have
    time to settle. Evaluation and ticket keep exactly as many as the density asks for. After the last freeze these are
    all that are not frozen, with the few whose score lies below 0.5; `Found.free_density` counts without those.

    Args:
        freezes: how often scores are frozen.
        penalty: the factor of the squared 2-norm of the scores that is added to the loss; published 1e-6 to 1e-4.

    Raises:
        ValueError: for less than one freeze, or a negative penalty.

    Example:
        >>> method = gem_miner(freezes=2)
        >>> [method.remaining(100, 10_000, step=step, steps=90) for step in (0, 30, 60)]
        [10000, 1000, 100]
    """
    if freezes < 1 or not 0 <= penalty < float("inf"):
        raise ValueError(f"freezes is at least 1 and penalty at least 0 and finite, got {freezes} and {penalty}")
    return GemMiner(freezes, penalty)


@dataclass(frozen=True)
class GemMiner:
    """What `gem_miner` returns."""

    freezes: int
    penalty: float
    by_layer: bool = False

    def first(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """Uniform in [0, 1)."""
        noise = torch.rand(weight.shape, generator=generator, device=generator.device)
        return noise.to(weight.device, weight.dtype)

    def memory(self, weight: Tensor) -> dict[str, Tensor]:
        """Which scores are frozen."""
        return {"frozen": torch.zeros_like(weight, dtype=torch.bool)}

    def before_step(self, state: Searched) -> None:
        """Clips the scores, and freezes some if it is time."""
        for score in state.scores().values():
            score.clamp_(0, 1)
        step, total = int(state.step), sum(score.numel() for score in state.scores().values())
        assert isinstance(state.kept, int)
        now, before = (self.remaining(state.kept, total, step=at, steps=state.steps) for at in (step, step - 1))
        if now < before:
            stay = kept_masks(self._ranks(state), now, absolute=False)
            for name, frozen in state.memory("frozen").items():
                frozen |= ~stay[name]

    def remaining(self, kept: int, total: int, *, step: int, steps: int) -> int:
        """How many scores are not frozen at a step."""
        done = max(0, min(self.freezes, step * (self.freezes + 1) // steps))
        return kept if done == self.freezes else round(total * (kept / total) ** (done / self.freezes))

    def weights(self, state: Searched) -> dict[str, Tensor]:
        """Those whose scores are rounded up, in evaluation those of the ticket."""
        weights, frozen = state.frozen(), state.memory("frozen")
        if not state.training:
            return apply(self.masks(state), weights)
        found = {}
        for name, score in state.scores().items():
            active = weights[name].masked_fill(frozen[name], 0)
            values = active.masked_fill(score.detach() < 0.5, 0)
            extra = 2 * self.penalty * score.detach() if self.penalty else None
            found[name] = straight_through(score, values, active, extra=extra)
        return found

    def masks(self, state: Searched) -> Masks:
        """The largest scores, those that are not frozen first."""
        return kept_masks(self._ranks(state), state.kept, absolute=False)

    def laws(self, state: Searched) -> dict[str, Law]:
        """Those of the source."""
        return state.laws

    def free_density(self, state: Searched) -> float | None:
        """The share of the scores that are rounded up and not frozen."""
        frozen = state.memory("frozen")
        up = [(score.detach() >= 0.5) & ~frozen[name] for name, score in state.scores().items()]
        return sum(int(mask.sum()) for mask in up) / sum(mask.numel() for mask in up)

    def _ranks(self, state: Searched) -> dict[str, Tensor]:
        """Scores, float64, -1 where they are frozen; equal ones, as at 0, are put in an order by chance.

        Otherwise the last layers would lose all of theirs first.
        """
        frozen = state.memory("frozen")
        return {
            name: (score.detach().clamp(0, 1).double() + 2.0**-40 * state.noise(name)).masked_fill(frozen[name], -1)
            for name, score in state.scores().items()
        }
