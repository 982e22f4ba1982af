"""Densities that fall from round to round of pruning before training.

References:
    [Zhu2017] M. Zhu, S. Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model compression",
        2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Rounds:
    """How many weights each round of scoring keeps.

    Args:
        densities: the kept fraction after each round; the last is that of the masks.
        revive: whether a weight that an earlier round has pruned may come back.

    Raises:
        ValueError: if there is no round, a density is out of (0, 1], or they rise.

    Example:
        >>> Rounds((0.5, 0.1)).densities
        (0.5, 0.1)
    """

    densities: tuple[float, ...]
    revive: bool = False

    def __post_init__(self) -> None:
        if not self.densities:
            raise ValueError("there are no rounds; give the density that is wanted")
        for density in self.densities:
            check_density(density)
        for before, after in pairwise(self.densities):
            if after > before:
                raise ValueError(f"densities must not rise from round to round, got {before:g} and then {after:g}")


def geometric(density: float, rounds: int, *, revive: bool = False) -> Rounds:
    """Every round keeps the same fraction of what the round before kept: `density ** (t / rounds)` after round t.

    Args:
        density: after the last round, in (0, 1].
        rounds: how many there are.
        revive: whether weights may come back.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> [round(density, 5) for density in geometric(0.01, 4).densities]
        [0.31623, 0.1, 0.03162, 0.01]
    """
    return _falling(lambda progress: density**progress, density, rounds, revive)


def linear(density: float, rounds: int, *, revive: bool = False) -> Rounds:
    """Every round prunes the same number of weights: `1 - (1 - density) t / rounds` after round t.

    Args:
        density: after the last round, in (0, 1].
        rounds: how many there are.
        revive: whether weights may come back.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> [round(density, 5) for density in linear(0.2, 4).densities]
        [0.8, 0.6, 0.4, 0.2]
    """
    return _falling(lambda progress: 1 - (1 - density) * progress, density, rounds, revive)


def cubic(density: float, rounds: int, *, revive: bool = False) -> Rounds:
    """Many weights go at first and few in the end: `density + (1 - density) (1 - t / rounds)^3` [Zhu2017].

    Args:
        density: after the last round, in (0, 1].
        rounds: how many there are.
        revive: whether weights may come back.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> [round(density, 5) for density in cubic(0.2, 4).densities]
        [0.5375, 0.3, 0.2125, 0.2]
    """
    return _falling(lambda progress: density + (1 - density) * (1 - progress) ** 3, density, rounds, revive)


def _falling(at: Callable[[float], float], density: float, rounds: int, revive: bool) -> Rounds:
    """The densities after rounds 1, 2, ..., the last as it was given."""
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    check_density(density)
    return Rounds((*(at(number / rounds) for number in range(1, rounds)), density), revive)


def check_density(density: float) -> None:
    """Raises ValueError unless a density is one."""
    if not 0 < density <= 1:
        raise ValueError(f"density is the kept fraction and lies in (0, 1], got {density}")
