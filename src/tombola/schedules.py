"""How many weights are kept at each level of iterative pruning.

A schedule is a function from the number of prunable weights to the numbers that are kept: level 0 keeps all of them.

References:
    [Frankle2019] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
        ICLR 2019.
    [Chen2020] T. Chen et al., "The lottery ticket hypothesis for pre-trained BERT networks", NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from .masks import kept_count

Schedule = Callable[[int], list[int]]


def geometric(levels: int, *, factor: float = 0.8) -> Schedule:
    """Every level keeps the same fraction of what the level before kept, rounded down [Frankle2019].

    Args:
        levels: how often is pruned.
        factor: the fraction, in (0, 1).

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> geometric(4, factor=0.8)(1000)
        [1000, 800, 640, 512, 409]
    """
    if levels < 1 or not 0 < factor < 1:
        raise ValueError(f"levels must be at least 1 and factor in (0, 1), got {levels} and {factor}")

    def counts(total: int) -> list[int]:
        found = [total]
        for _ in range(levels):
            found.append(math.floor(factor * found[-1] + 1e-9))
        return _falling(found)

    return counts


def linear(levels: int, *, density: float) -> Schedule:
    """Every level prunes the same number of weights, down to a density [Chen2020].

    Args:
        levels: how often is pruned.
        density: the fraction kept in the end, in (0, 1).

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> linear(4, density=0.2)(1000)
        [1000, 800, 600, 400, 200]
    """
    if levels < 1 or not 0 < density < 1:
        raise ValueError(f"levels must be at least 1 and density in (0, 1), got {levels} and {density}")

    def counts(total: int) -> list[int]:
        last = kept_count(total, density)
        return _falling([total - (total - last) * level // levels for level in range(levels + 1)])

    return counts


def given(densities: Sequence[float]) -> Schedule:
    """The densities that are given, one for each level after the first.

    Args:
        densities: falling, each in (0, 1).

    Raises:
        ValueError: if there is none, one is out of range, or they do not fall.

    Example:
        >>> given([0.5, 0.1])(1000)
        [1000, 500, 100]
        >>> given([0.1, 0.5])
        Traceback (most recent call last):
        ValueError: densities must fall from level to level, got 0.1 and then 0.5
    """
    if not densities or not all(0 < density < 1 for density in densities):
        raise ValueError(f"densities must be at least one, each in (0, 1), got {list(densities)}")
    for before, after in pairwise(densities):
        if after >= before:
            raise ValueError(f"densities must fall from level to level, got {before:g} and then {after:g}")
    return lambda total: _falling([total, *(kept_count(total, density) for density in densities)])


def _falling(counts: list[int]) -> list[int]:
    """The counts, if each level prunes something and keeps something."""
    for before, after in pairwise(counts):
        if not 0 < after < before:
            raise ValueError(f"a level would keep {after} of {before} weights; ask for fewer levels")
    return counts
