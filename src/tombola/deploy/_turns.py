"""How long functions take, measured in turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch

LEAST = 6  # rounds; with fewer no interval is as sure as 95 %
WARM, SHORT = 2, 2e-4  # untimed calls at first, seconds that a turn takes at least


@dataclass(frozen=True)
class Interval:
    """A median, and where the true one is with a probability of 0.95 at least, if rounds are independent.

    Attributes:
        median: of what was measured.
        low: where the interval begins.
        high: where it ends.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, measured: Sequence[float]) -> Interval:
        """Between two order statistics: how many values are below the true median is binomial.

        Example:
            >>> Interval.of([3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 7.0])
            Interval(median=4.0, low=1.0, high=7.0)
        """
        from scipy.stats import binom

        ordered, cut = sorted(measured), int(binom.ppf(0.025, len(measured), 0.5))
        return cls(median(ordered), ordered[max(cut, 1) - 1], ordered[-max(cut, 1)])


def turns(functions: Sequence[Callable[[], object]], *, rounds: int, seconds: float) -> list[list[float]]:
    """Milliseconds of a call of each function, in every round, and of what it asked a GPU for.

    All take their turns in every round, so that a machine that becomes busy makes all of them slower. A turn is as many
    calls as make up 0.2 ms, one at least, and the mean of them.

    Args:
        functions: without arguments.
        rounds: how many there are if time allows.
        seconds: after which there are no more rounds, once there are `LEAST`.
    """
    calls = [_calls(function) for function in functions]
    times: list[list[float]] = [[] for _ in functions]
    begun = perf_counter()
    while len(times[0]) < rounds and (len(times[0]) < LEAST or perf_counter() - begun < seconds):
        for function, count, own in zip(functions, calls, times, strict=True):
            own.append(_turn(function, count))
    return times


def _calls(function: Callable[[], object]) -> int:
    """How many calls a turn has."""
    for _ in range(WARM):
        function()
    return max(1, round(1e3 * SHORT / max(_turn(function, 1), 1e-6)))


def _turn(function: Callable[[], object], count: int) -> float:
    _finish()
    begun = perf_counter()
    for _ in range(count):
        function()
    _finish()
    return 1e3 * (perf_counter() - begun) / count


def _finish() -> None:
    """Waits for the GPU, if there is one at work."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
