"""What training adds to the exponents of untrained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._exponents import Exponents, at, drift
from ._flow import Flow
from ._intervals import student

NEAR = 0.02  # times of levels of a run and of its null, whose counts may be rounded otherwise


@dataclass(frozen=True, eq=False)
class Anomalous:
    """Drifts less those of the null flow, and their size.

    Attributes:
        groups: names, in order.
        null: `(g,)`, drifts of the null flow; None if it has none.
        value: `(g,)`, drifts less those; None likewise.
        low, high: `(g,)`, intervals over seeds; None with one seed.
        task_signal: the root of the mean square of `value`; None likewise.
        signal_low, signal_high: its interval over seeds, by linearisation; from 0 if noise alone could give as much.
        noise: the size that the spread between seeds alone gives on average; None with one seed.
        refusals: in words.
    """

    groups: tuple[str, ...]
    null: np.ndarray | None = None
    value: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    task_signal: float | None = None
    signal_low: float | None = None
    signal_high: float | None = None
    noise: float | None = None
    refusals: tuple[str, ...] = ()

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Of each group its anomalous exponent and its interval; None where there is none."""
        parts = {"value": self.value, "low": self.low, "high": self.high}
        return {name: {part: at(values, i) for part, values in parts.items()} for i, name in enumerate(self.groups)}


def anomalous(exponents: Exponents, nulls: Sequence[Flow], *, confidence: float = 0.95) -> Anomalous:
    """Exponents less those of the null flow, by the same estimator over the same window.

    Args:
        exponents: of trained runs.
        nulls: one null flow for each run, in the same order, or one for all if their schedules are the same.
        confidence: of the intervals.

    Raises:
        ValueError: if there are neither one nor as many nulls as runs, or they have other densities or lack a group.

    Example:
        >>> from tombola.renormalization import Flow, drift, gaussian_null
        >>> null = gaussian_null([1500, 1200, 960, 768], {"a": 500, "b": 1000}, {"a": 1.0, "b": 0.7})
        >>> anomalous(drift([null, null], window=(0, 3)), [null]).task_signal
        0.0
    """
    window, runs = exponents.window, exponents.runs
    if runs is None or window.times is None:
        return Anomalous(exponents.groups, refusals=exponents.refusals)
    if len(nulls) not in (1, len(runs)):
        raise ValueError(f"give one null flow, or one for each of the {len(runs)} runs, not {len(nulls)}")
    repeated = list(nulls) * (len(runs) // len(nulls))
    if any(_levels(null, window.times) != levels for null, levels in zip(repeated, window.levels, strict=True)):
        raise ValueError("a null flow has other densities than its run; make it from flow.kept of that run")
    null = drift(repeated, window=window, estimator=exponents.estimator, observable=exponents.observable)
    if null.runs is None:
        return Anomalous(exponents.groups, refusals=(*exponents.refusals, "a group of the null flow vanishes"))
    away = runs - null.runs
    value = away.mean(axis=0)
    signal = float(np.sqrt((value**2).mean()))
    found = Anomalous(exponents.groups, null.value, value, task_signal=signal, refusals=exponents.refusals)
    if len(runs) < 2:
        return found
    low, high = student(away, confidence=confidence)
    noise = float(np.sqrt(away.var(axis=0, ddof=1).mean() / len(runs)))
    ends = _signal_interval(away, value, signal, noise, confidence)
    return replace(found, low=low, high=high, signal_low=ends[0], signal_high=ends[1], noise=noise)


def _levels(null: Flow, times: tuple[float, float]) -> tuple[int, int]:
    """The first and last level of a flow within an interval of time."""
    first, behind = np.searchsorted(null.time, [times[0] - NEAR, times[1] + NEAR])
    return int(first), int(behind) - 1


def _signal_interval(
    away: np.ndarray, value: np.ndarray, signal: float, noise: float, confidence: float
) -> tuple[float, float]:
    """Student's t on the signal, linear in each run about the mean."""
    if signal <= 1e-12:
        return 0.0, noise
    linear = away @ value / (away.shape[1] * signal)
    low, high = student(linear[:, None], confidence=confidence)
    return (0.0 if signal <= noise else max(0.0, float(low[0]))), float(high[0])
