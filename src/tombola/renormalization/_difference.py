"""How far apart the exponents of two settings are, and whether noise alone could set them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from ._ellipsoid import shrunk

EXACT = 2000  # splits that are all looked at
BLOCK = 250


@dataclass(frozen=True)
class Difference:
    """What a permutation test of two sets of runs says.

    Attributes:
        statistic: `d^T C^-1 d` for the difference `d` of the means and the shrunk covariance `C` within the sets.
        p_value: the part of all splits of the runs whose statistic is at least as large.
        splits: how many there were, that of the data included.
        exact: whether these are all splits.
    """

    statistic: float
    p_value: float
    splits: int
    exact: bool


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """The root of the mean square difference of two mean vectors, less what noise between seeds adds; at least 0.

    `D^2 = (|mean_A - mean_B|^2 - tr C_A / S_A - tr C_B / S_B) / g`, which is unbiased before it is cut off at 0.

    Args:
        first: `(S_A, g)`, vectors of exponents of at least two seeds.
        second: `(S_B, g)`, likewise.

    Raises:
        ValueError: if the sets do not fit each other or have fewer than two rows.

    Example:
        >>> round(distance(np.array([[0.0], [0.2]]), np.array([[1.0], [1.2]])) ** 2, 6)
        0.98
    """
    check_runs(first, second)
    away = first.mean(axis=0) - second.mean(axis=0)
    noise = sum(float(runs.var(axis=0, ddof=1).sum()) / len(runs) for runs in (first, second))
    return float(np.sqrt(max(0.0, float(away @ away) - noise) / len(away)))


def difference(first: np.ndarray, second: np.ndarray, *, splits: int = 2000, seed: int = 0) -> Difference:
    """Whether two sets of runs have the same mean, by permuting which run belongs to which set.

    The covariance is the average of those within the sets, computed again for every split, and shrunk, because
    exponents sum to 0. Guarantee: if all runs are exchangeable, a p-value is below any level with at most that
    probability. Cost: O(splits (S g^2 + g^3)).

    Args:
        first: `(S_A, g)`, vectors of exponents of at least two seeds.
        second: `(S_B, g)`, likewise.
        splits: looked at if there are more than 2000 in all, drawn at random but for that of the data.
        seed: of those.

    Raises:
        ValueError: if the sets do not fit each other or have fewer than two rows.

    Example:
        >>> found = difference(np.array([[0.0], [0.1], [0.2]]), np.array([[1.0], [1.1], [1.2]]))
        >>> found.p_value, found.splits, found.exact
        (0.1, 20, True)
    """
    check_runs(first, second)
    runs = np.concatenate([first, second])
    runs = runs - runs.mean(axis=0)
    number, size = len(first), len(runs)
    exact = comb(size, number) <= EXACT
    statistics = np.concatenate(
        [_statistics(runs, chosen) for chosen in blocks(size, number, None if exact else splits, seed)]
    )
    # Sums in another order may differ in their last digits.
    p_value = float((statistics >= statistics[0] * (1 - 1e-9)).mean())
    return Difference(float(statistics[0]), p_value, len(statistics), exact)


def blocks(size: int, number: int, splits: int | None, seed: int) -> Iterator[np.ndarray]:
    """`(block, size)` bool arrays of what belongs to the first set; in the first row it is the data's."""
    if splits is None:
        rows = np.zeros((comb(size, number), size), bool)
        for row, chosen in zip(rows, combinations(range(size), number), strict=True):
            row[list(chosen)] = True
    else:
        rows = np.random.default_rng(seed).random((splits, size)).argsort(axis=1) < number
        rows[0] = np.arange(size) < number
    for begin in range(0, len(rows), BLOCK):
        yield rows[begin : begin + BLOCK]


def _statistics(runs: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The statistic of each split."""
    products = (runs[:, :, None] * runs[:, None, :]).reshape(len(runs), -1)
    means, covariances = [], []
    for inside in (chosen, ~chosen):
        weights = inside.astype(float)
        number = weights.sum(axis=1)[:, None]
        mean = weights @ runs / number
        second = (weights @ products).reshape(-1, runs.shape[1], runs.shape[1])
        outer = mean[:, :, None] * mean[:, None, :]
        covariances.append((second - number[:, :, None] * outer) / (number[:, :, None] - 1))
        means.append(mean)
    away = means[0] - means[1]
    solved = np.linalg.solve(shrunk((covariances[0] + covariances[1]) / 2), away[..., None])[..., 0]
    return (away * solved).sum(axis=1)


def check_runs(first: np.ndarray, second: np.ndarray) -> None:
    """Raises ValueError unless both are `(seeds, g)` with the same `g` and at least two seeds."""
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or min(len(first), len(second)) < 2:
        raise ValueError(f"wanted two arrays (seeds, g) of at least two seeds, got {first.shape} and {second.shape}")
