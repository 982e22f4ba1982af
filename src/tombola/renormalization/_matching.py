"""Exponents of networks of different depth: as profiles over depth, and as sets of points."""

from __future__ import annotations

from math import comb, lcm

import numpy as np

from ._difference import EXACT, Difference, blocks


def profile(runs: np.ndarray, points: int) -> np.ndarray:
    """`(seeds, points)`: exponents over relative depth, from the first group at 0 to the last at 1, interpolated.

    Args:
        runs: `(seeds, g)`, of at least two groups, in the order of depth.
        points: how many depths, at least two.

    Raises:
        ValueError: for fewer than two groups or points.

    Example:
        >>> profile(np.array([[0.0, 1.0, 0.0]]), 5).tolist()
        [[0.0, 0.5, 1.0, 0.5, 0.0]]
    """
    if runs.shape[1] < 2 or points < 2:
        raise ValueError(f"wanted at least two groups and two points, got {runs.shape[1]} and {points}")
    depths, wanted = np.linspace(0, 1, runs.shape[1]), np.linspace(0, 1, points)
    return np.array([np.interp(wanted, depths, run) for run in runs])


def matching_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The mean distance of the points of two sets, matched so that it is least.

    Sets of different sizes count with the same weight: each point is taken as often as makes the sizes equal. Points
    on a line are matched in order, others by the Hungarian method, O(n^3).

    Args:
        first: `(k,)`, real or complex.
        second: `(l,)`, likewise.

    Example:
        >>> matching_distance(np.array([0.0, 1.0]), np.array([1.1, 0.1])).__round__(6)
        0.1
        >>> matching_distance(np.array([0.0, 1.0]), np.array([0.5]))
        0.5
    """
    size = lcm(len(first), len(second))
    a, b = np.repeat(first, size // len(first)), np.repeat(second, size // len(second))
    if not (np.iscomplexobj(a) or np.iscomplexobj(b)):
        return float(np.abs(np.sort(a) - np.sort(b)).mean())
    from scipy.optimize import linear_sum_assignment

    apart = np.abs(a[:, None] - b[None, :])
    return float(apart[linear_sum_assignment(apart)].mean())


def energy_test(first: np.ndarray, second: np.ndarray, *, splits: int = 2000, seed: int = 0) -> Difference:
    """Whether sets of points come from the same law, each set one seed: `2 W_AB - W_AA - W_BB`, permuting seeds.

    `W` is the mean of `matching_distance` over pairs of different seeds. Guarantee: as for `difference`.

    Args:
        first: `(S_A, k)`, such as eigenvalues or exponents of each seed.
        second: `(S_B, l)`, likewise; `k` and `l` may differ.
        splits: looked at if there are more than 2000 in all, drawn at random but for that of the data.
        seed: of those.

    Raises:
        ValueError: unless there are at least two seeds of each.

    Example:
        >>> random = np.random.default_rng(0)
        >>> near, far = random.normal(0, 1, (6, 4)), random.normal(3, 1, (6, 2))
        >>> energy_test(near, far).p_value < 0.01
        True
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(f"wanted at least two seeds of each, got {len(first)} and {len(second)}")
    sets = [*first, *second]
    size, number = len(sets), len(first)
    apart = np.zeros((size, size))
    for i in range(size):
        for j in range(i):
            apart[i, j] = apart[j, i] = matching_distance(sets[i], sets[j])
    exact = comb(size, number) <= EXACT
    found = []
    for chosen in blocks(size, number, None if exact else splits, seed):
        a, b = chosen.astype(float), (~chosen).astype(float)
        between = np.einsum("si,ij,sj->s", a, apart, b) / (number * (size - number))
        inside_a = np.einsum("si,ij,sj->s", a, apart, a) / (number * (number - 1))
        other = size - number
        inside_b = np.einsum("si,ij,sj->s", b, apart, b) / (other * (other - 1))
        found.append(2 * between - inside_a - inside_b)
    statistics = np.concatenate(found)
    p_value = float((statistics >= statistics[0] - 1e-9 * abs(statistics[0])).mean())
    return Difference(float(statistics[0]), p_value, len(statistics), exact)
