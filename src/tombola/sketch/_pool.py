"""Scores that are sampled from together: checked, transformed and walked through in pieces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from tombola.select import Scores
from tombola.sketch._transforms import Transform

CHUNK = 2**19  # so that a piece stays in the cache
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


@final
class Chances:
    """What is drawn in proportion to: the probabilities of a pool, times any number."""

    def __init__(self, pool: Pool, kept: int, temperature: float, mixture: float) -> None:
        self._pool, self._temperature, self._mixture = pool, temperature, mixture
        self._short = not mixture and kept > pool.positive  # zeros have a chance only once all positive scores stay
        self._log_total = pool.log_total(temperature) if mixture and pool.positive else 0.0
        self.numel = sum(value.numel() for value in pool.values.values())

    def pieces(self) -> Iterator[Tensor]:
        """The values of all parameters one after the other, some at a time."""
        for value in self._pool.values.values():
            yield from value.flatten().split(CHUNK)

    def logs(self, piece: Tensor) -> Tensor:
        """The logarithms of some values' chances, in float64."""
        piece = piece.double()
        if self._mixture:
            settings = {"temperature": self._temperature, "mixture": self._mixture, "log_total": self._log_total}
            return self._pool.probabilities(piece, **settings).log()
        if self._short:
            return torch.where(piece > 0, torch.inf, torch.where(piece == 0, 0.0, -torch.inf).double())
        return self._pool.log_weights(piece, self._temperature)

    def times(self, piece: Tensor, log_factor: float) -> Tensor:
        """The chances of some values times a number, to about six digits."""
        if self._temperature == 1 and not self._mixture and not self._short and abs(log_factor) < 80:
            return piece * math.exp(log_factor)
        return (self.logs(piece) + log_factor).float().exp_()


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
        if piece.numel() and 0 < piece.amin() <= piece.amax() < torch.inf:
            eligible, positive = eligible + piece.numel(), positive + piece.numel()
            continue
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
