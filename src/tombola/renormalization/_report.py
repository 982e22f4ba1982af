"""All that is said of the flow of runs, at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._anomalous import Anomalous, anomalous
from ._exponents import Exponents, Rate, at, drift, slope
from ._flow import Flow
from ._identity import local_exponents
from ._markov import MarkovDefect, markov_defect
from ._region import LinearRegion
from ._window import Window


@dataclass(frozen=True, eq=False)
class FlowReport:
    """The flow of several runs of one setting.

    Attributes:
        exponents: drifts.
        anomalous: what training adds to them; None without a null flow.
        identity_residual: the largest modulus of `sum_i p_i c^y_i - c` over all steps of all runs.
        markov: whether the level before says more of the next than this one; its refusals are its own.
        refusals: in words, each once.
        region: whether exponents are more than descriptions, if `linear_region` was asked; else None.
    """

    exponents: Exponents
    anomalous: Anomalous | None
    identity_residual: float | None
    markov: MarkovDefect
    refusals: tuple[str, ...]
    region: LinearRegion | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain data, None where there is no number."""
        found, groups = self.anomalous, self.exponents.groups
        null = None if found is None else found.null
        signal = None
        if found is not None:
            signal = {"value": found.task_signal, "low": found.signal_low, "high": found.signal_high}
        return {
            "groups": list(groups),
            "identity_residual": self.identity_residual,
            "drift": self.exponents.to_json(),
            "null": None if found is None else {name: at(null, i) for i, name in enumerate(groups)},
            "anomalous": None if found is None else found.to_json(),
            "task_signal": signal,
            "markov": self.markov.to_json(),
            "region": None if self.region is None else self.region.to_json(),
            "window": self.exponents.window.to_json(),
            "refusals": list(self.refusals),
        }


def flow_report(
    flows: Sequence[Flow],
    *,
    null: Sequence[Flow] | None = None,
    window: Window | tuple[int, int] | None = None,
    confidence: float = 0.95,
    estimator: Rate = slope,
    factor: float | None = None,
) -> FlowReport:
    """Exponents of runs, what training adds to those of untrained weights, memory, and whether the books balance.

    Args:
        flows: one for each seed.
        null: from `gaussian_null` or `empirical_null`: one for each run, or one for all.
        window: as for `drift`.
        confidence: of all intervals.
        estimator: as for `drift`.
        factor: as for `local_exponents`.

    Raises:
        ValueError: if there is no flow, or nulls or window do not fit.

    Example:
        >>> from tombola.renormalization import gaussian_null
        >>> flow = gaussian_null([1500, 1200, 960, 768], {"a": 500, "b": 1000}, {"a": 1.0, "b": 0.7})
        >>> report = flow_report([flow], null=[flow], window=(0, 3))
        >>> report.to_json()["task_signal"]["value"], report.refusals
        (0.0, ('one seed only: no intervals, and no labels',))
    """
    exponents = drift(flows, window=window, confidence=confidence, estimator=estimator)
    steps = [local_exponents(flow, factor=factor) for flow in flows if len(flow.counts) > 1]
    residual = max((float(np.abs(step.residuals).max()) for step in steps), default=None)
    found = None if null is None else anomalous(exponents, null, confidence=confidence)
    said = [
        *exponents.refusals,
        *(found.refusals if found else ()),
        *(line for step in steps for line in step.refusals),
    ]
    memory = markov_defect(flows, window=exponents.window, confidence=confidence)
    return FlowReport(exponents, found, residual, memory, tuple(dict.fromkeys(said)))
