"""At what rate the share of each group grows or shrinks along the flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ._coordinates import Observable, clr, magnitudes
from ._ellipsoid import Ellipsoid, ellipsoid
from ._flow import Flow
from ._intervals import label, student
from ._window import Window, window_of

Rate = Callable[[np.ndarray, np.ndarray], np.ndarray]


def slope(time: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`(...,)`, slopes of values `(levels, ...)` over time `(levels,)`, by least squares.

    Example:
        >>> slope(np.array([0.0, 1.0, 2.0]), np.array([[0.0], [3.0], [4.0]])).tolist()
        [2.0]
    """
    centred = time - time.mean()
    return np.tensordot(centred, values, 1) / (centred @ centred)


def end_to_end(time: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`(...,)`, changes of values `(levels, ...)` from the first level to the last, per unit of time.

    Example:
        >>> end_to_end(np.array([0.0, 1.0, 2.0]), np.array([[0.0], [3.0], [4.0]])).tolist()
        [2.0]
    """
    return (values[-1] - values[0]) / (time[-1] - time[0])


@dataclass(frozen=True, eq=False)
class Exponents:
    """Drifts of groups along the flow, per unit of its time.

    They are rates of log-ratios and sum to 0: a group of positive drift decays more slowly than the geometric mean of
    the groups. They are no eigenvalues of the step from level to level; see `trajectory_operator` for those.

    Attributes:
        groups: those of the window.
        runs: `(seeds, g)`; None if there is nothing to fit.
        value: `(g,)`, the mean over seeds; None likewise.
        low, high: `(g,)`, ends of intervals by Student's t over seeds, each by itself; None with one seed.
        labels: relevant, irrelevant, marginal or undetermined.
        share_change: `(g,)`, the logarithm of the share of each group at the end over that at the start. A group of
            positive drift may still lose share.
        region: where all exponents lie together; None with one seed.
        window: the levels.
        refusals: what could not be given, or should be known, in words.
        estimator: from times and coordinates to rates.
        observable: what the coordinates are of.
    """

    groups: tuple[str, ...]
    runs: np.ndarray | None
    value: np.ndarray | None
    low: np.ndarray | None
    high: np.ndarray | None
    labels: tuple[str, ...]
    share_change: np.ndarray | None
    region: Ellipsoid | None
    window: Window
    refusals: tuple[str, ...]
    estimator: Rate = field(repr=False)
    observable: Observable = field(repr=False)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Of each group its value, its interval and its label; None where there is none."""
        return {
            name: {
                "value": at(self.value, i),
                "low": at(self.low, i),
                "high": at(self.high, i),
                "label": self.labels[i] if self.labels else None,
            }
            for i, name in enumerate(self.groups)
        }


def at(values: np.ndarray | None, i: int) -> float | None:
    """One of several values, if there are any."""
    return None if values is None else float(values[i])


def drift(
    flows: Sequence[Flow],
    *,
    window: Window | tuple[int, int] | None = None,
    confidence: float = 0.95,
    estimator: Rate = slope,
    observable: Observable = magnitudes,
    tolerance: float = 0.05,
) -> Exponents:
    """Drifts of the centred log-ratios of groups over the time of the flow, with intervals over seeds.

    Each run gives one vector of rates; seeds are the sample. Fitting all levels of all runs at once with independent
    errors would cover far too little, because the levels of a run are nested and add up.

    Args:
        flows: one for each seed, of one setting.
        window: from `window_of`, or first and last level; default: `window_of(flows)`.
        confidence: of the intervals.
        estimator: `slope` or `end_to_end`.
        observable: of each flow `(levels, g)`, such as `magnitudes`.
        tolerance: within which of 0 a drift counts as marginal.

    Raises:
        ValueError: if there is no flow, or a window is of other runs.

    Example:
        >>> counts = np.array([[800, 800], [600, 700], [450, 610], [340, 530], [250, 470]])
        >>> flow = Flow(("a", "b"), np.array([800, 800]), counts, 1.0 * counts, 1.0 * counts)
        >>> drift([flow], window=(0, 4)).value.round(2).tolist()
        [-0.39, 0.39]
    """
    if not isinstance(window, Window):
        window = window_of(flows) if window is None else window_of(flows, start=window[0], stop=window[1])
    if window.times is not None and len(window.levels) != len(flows):
        raise ValueError(f"the window is of {len(window.levels)} runs, but there are {len(flows)}")
    nothing = Exponents(
        window.groups, None, None, None, None, (), None, None, window, window.refusals, estimator, observable
    )
    if window.times is None:
        return nothing
    found = [_rates(flow, levels, window.groups, estimator, observable) for flow, levels in _pairs(flows, window)]
    if any(rates is None for rates in found):
        return replace(nothing, refusals=(*window.refusals, "a group has no positive value at a level of the window"))
    runs = np.array([rates[0] for rates in found if rates is not None])
    change = np.mean([rates[1] for rates in found if rates is not None], axis=0)
    fitted = replace(nothing, runs=runs, value=runs.mean(axis=0), share_change=change)
    if len(runs) < 2:
        return replace(
            fitted,
            labels=("undetermined",) * len(window.groups),
            refusals=(*window.refusals, "one seed only: no intervals, and no labels"),
        )
    low, high = student(runs, confidence=confidence)
    labels = tuple(label(float(a), float(b), tolerance=tolerance) for a, b in zip(low, high, strict=True))
    return replace(fitted, low=low, high=high, labels=labels, region=ellipsoid(runs, confidence=confidence))


def _pairs(flows: Sequence[Flow], window: Window) -> list[tuple[Flow, tuple[int, int]]]:
    return list(zip(flows, window.levels, strict=True))


def _rates(
    flow: Flow, levels: tuple[int, int], groups: Sequence[str], estimator: Rate, observable: Observable
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rates of coordinates, and changes of log-shares, of one run; None if a value is not positive."""
    if missing := [name for name in groups if name not in flow.groups]:
        raise ValueError(f"a run has no group {missing[0]!r}, which the window is of")
    rows = slice(levels[0], levels[1] + 1)
    values = observable(flow)[rows].astype(np.float64)
    part = values[:, [flow.groups.index(name) for name in groups]]
    if not (part > 0).all():
        return None
    shares = np.log(part / values.sum(axis=1, keepdims=True))
    return estimator(flow.time[rows], clr(part).filled(0.0)), shares[-1] - shares[0]
