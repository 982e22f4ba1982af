"""Scores that are sampled from together: checked, transformed and walked through in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.select import Scores
from tombola.sketch._transforms import Transform

CHUNK = 2**18  # so that a piece stays in the cache
LEAST_TEMPERATURE = 1e-9


@dataclass(frozen=True, eq=False)
class Pool:
    """The transformed scores of some parameters, on the CPU.

    Attributes:
        values: finite and not negative by parameter name, -inf where a weight is pruned.
        eligible: how many are not pruned.
        positive: how many are above 0.
    """

    values: Scores
    eligible: int
    positive: int

    def pieces(self, name: str) -> Iterator[tuple[slice, Tensor]]:
        """The flat values of one parameter in float64, piece by piece, and where each lies."""
        flat = self.values[name].flatten()
        for start in range(0, flat.numel(), CHUNK):
            place = slice(start, min(start + CHUNK, flat.numel()))
            yield place, flat[place].double()

    def log_weights(self, piece: Tensor, temperature: float) -> Tensor:
        """`log(value) / temperature` of a piece; -inf where the value is not positive."""
        return torch.where(piece > 0, piece.log() / temperature, -torch.inf)

    def log_total(self, temperature: float) -> float:
        """The logarithm of the sum of `value ** (1 / temperature)` over all parameters."""
        parts = [
            self.log_weights(piece, temperature).logsumexp(0) for name in self.values for _, piece in self.pieces(name)
        ]
        return float(torch.stack(parts).logsumexp(0))

    def probabilities(self, piece: Tensor, *, temperature: float, mixture: float, log_total: float) -> Tensor:
        """The probabilities of a piece; uniform over what is eligible if no value is positive."""
        uniform = (piece > -torch.inf).double() / max(1, self.eligible)
        if not self.positive:
            return uniform
        return (1 - mixture) * (self.log_weights(piece, temperature) - log_total).exp() + mixture * uniform


def pooled(scores: Mapping[str, Tensor], transform: Transform) -> Pool:
    """Transformed scores.

    Raises:
        ValueError: if there are none, a score is NaN or infinite above, or its transform is negative.
    """
    if not scores:
        raise ValueError("there are no scores to sample from")
    for name, score in scores.items():
        if score.numel() and not bool(score.max() < torch.inf):
            raise ValueError(
                f"the scores of {name!r} hold NaN or infinity; only -inf, for a pruned weight, may be there"
            )
    values = transform({name: score.detach().cpu() for name, score in scores.items()})
    if {name: value.shape for name, value in values.items()} != {name: score.shape for name, score in scores.items()}:
        raise ValueError("the transform has changed names or shapes; it maps scores to as many scores")
    counts = [_counts(name, value) for name, value in values.items()]
    return Pool(values, sum(eligible for eligible, _ in counts), sum(positive for _, positive in counts))


def _counts(name: str, value: Tensor) -> tuple[int, int]:
    """How many transformed scores are not pruned, and how many are positive."""
    eligible, positive = 0, 0
    for piece in value.flatten().split(CHUNK):
        alive, above = int((piece > -torch.inf).sum()), int((piece > 0).sum())
        if alive != above + int((piece == 0).sum()) or (piece.numel() and not bool(piece.max() < torch.inf)):
            raise ValueError(f"transformed scores of {name!r} are negative or not finite; use absolute or rank")
        eligible, positive = eligible + alive, positive + above
    return eligible, positive


def check_sampling(temperature: float, mixture: float) -> None:
    """Raises ValueError unless numbers say how to sample."""
    if not temperature >= LEAST_TEMPERATURE:
        raise ValueError(f"temperature is at least {LEAST_TEMPERATURE:g}, or infinity, got {temperature}")
    if not 0 <= mixture <= 1:
        raise ValueError(f"mixture lies in [0, 1], got {mixture}")
