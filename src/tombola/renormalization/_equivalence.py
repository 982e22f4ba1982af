"""Whether the exponents of two settings are the same within a margin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._difference import check_runs


@dataclass(frozen=True, eq=False)
class Equivalence:
    """Simultaneous intervals of all differences.

    Attributes:
        value: `(g,)`, differences of means, the first less the second.
        low: `(g,)`, lower ends of intervals that hold together with the confidence.
        high: `(g,)`, upper ends.
        margin: what they are compared with.
        accepted: whether all intervals lie within the margin.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    margin: float
    accepted: bool


def equivalence(
    first: np.ndarray,
    second: np.ndarray,
    *,
    margin: float = 0.05,
    confidence: float = 0.9,
    resamples: int = 2000,
    seed: int = 0,
) -> Equivalence:
    """Whether every exponent differs by less than a margin, with simultaneous intervals from a bootstrap over seeds.

    The reach of the intervals is the quantile of the largest studentised deviation over exponents. Heuristic: a
    bootstrap of few seeds. Choose the margin before seeing the data.

    Args:
        first: `(S_A, g)`, vectors of exponents of at least two seeds.
        second: `(S_B, g)`, likewise.
        margin: above 0.
        confidence: of all intervals together.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: if the sets do not fit each other or have fewer than two rows, or the margin is not above 0.

    Example:
        >>> runs = np.array([[0.01, -0.01], [0.02, -0.02], [0.0, 0.0], [0.01, -0.01], [0.015, -0.015]])
        >>> equivalence(runs, runs + [0.001, -0.001]).accepted
        True
    """
    check_runs(first, second)
    if margin <= 0:
        raise ValueError(f"the margin is above 0, got {margin}")
    random = np.random.default_rng(seed)
    value = first.mean(axis=0) - second.mean(axis=0)
    drawn = [runs[random.integers(len(runs), size=(resamples, len(runs)))] for runs in (first, second)]
    away = np.abs(drawn[0].mean(axis=1) - drawn[1].mean(axis=1) - value)
    spread = np.sqrt(sum(runs.var(axis=1, ddof=1) / runs.shape[1] for runs in drawn))
    studentised = np.where(away <= 1e-12, 0.0, away / np.maximum(spread, 1e-300))
    reach = float(np.quantile(studentised.max(axis=1), confidence))
    reach = min(reach, 1e6)  # resamples of one seed alone have no spread
    error = np.sqrt(sum(runs.var(axis=0, ddof=1) / len(runs) for runs in (first, second)))
    low, high = value - reach * error, value + reach * error
    return Equivalence(value, low, high, margin, bool((np.maximum(np.abs(low), np.abs(high)) < margin).all()))
