"""Intervals over seeds: the levels of one run are one sample."""

from __future__ import annotations

import numpy as np


def student(runs: np.ndarray, *, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of intervals for the mean of each column, by Student's t over rows.

    Guarantee: exact for independent normal rows. Levels within a run are never taken for independent.

    Args:
        runs: `(seeds, k)`, at least two rows.
        confidence: of each interval by itself.

    Raises:
        ValueError: for fewer than two rows, or a confidence outside (0, 1).

    Example:
        >>> low, high = student(np.array([[0.9], [1.0], [1.1]]))
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.752], [1.248])
    """
    from scipy.stats import t

    if len(runs) < 2 or not 0 < confidence < 1:
        raise ValueError(f"wanted two rows or more and a confidence in (0, 1), got {len(runs)} and {confidence}")
    reach = t.ppf((1 + confidence) / 2, len(runs) - 1) * runs.std(axis=0, ddof=1) / len(runs) ** 0.5
    return runs.mean(axis=0) - reach, runs.mean(axis=0) + reach


def label(low: float, high: float, *, tolerance: float = 0.05) -> str:
    """What an interval of an exponent says of it, with 0 for marginal.

    Example:
        >>> [label(0.1, 0.2), label(-0.01, 0.02), label(-0.4, -0.3), label(0.0, 0.2)]
        ['relevant', 'marginal', 'irrelevant', 'undetermined']
    """
    if low > tolerance:
        return "relevant"
    if high < -tolerance:
        return "irrelevant"
    return "marginal" if low >= -tolerance and high <= tolerance else "undetermined"
