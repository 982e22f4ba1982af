"""Whether a ticket will be of use on another task, from what is known before it is trained there.

References:
    [Redman2022] W. Redman et al., "Universality of winning tickets: a renormalization group perspective", ICML 2022.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tombola.renormalization import Anomalous, Exponents, Flow, Window, anomalous, drift, universality, window_of

from ._rule import Rule
from ._zero_shot import ZeroShot

SYMMETRY = (
    "Symmetries of the input: tasks whose inputs differ by a permutation or by signs, such as centred images and their "
    "negatives, have exponents of exactly the same law under a dense first layer, and their tickets may still fail on "
    "each other. Of this only the zero-shot error and the skew of the inputs can tell."
)
BUDGET = (
    "Budgets: the prediction is for about as much training as the runs had. A ticket that fails early may do well "
    "later; measure recoveries at two budgets."
)
SETTINGS = (
    "Settings: exponents change with steps, optimiser, initialisation and rewind point by as much as from task to "
    "task. Probabilities are frequencies on one small data set and one network, on which the thresholds were chosen."
)
ARCHITECTURES = (
    "Architectures: the runs have different groups of weights. Masks of one do not fit the other without a "
    "transformation such as `elastic`, and the rule was never tried on such pairs."
)


@dataclass(frozen=True)
class Prediction:
    """What can be said before the ticket is trained on the target.

    Attributes:
        probability: of a recovery above 0.7, a frequency from elsewhere; None if the rule cannot be applied.
        verdict: of the rule.
        evidence: what it was decided by, and what was only looked at; plain data.
        cannot_see: sentences on what none of this can tell.
    """

    probability: float | None
    verdict: Literal["transfers", "does not transfer", "undecided"]
    evidence: Mapping[str, Any]
    cannot_see: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The prediction as plain data."""
        return {
            "probability": self.probability,
            "verdict": self.verdict,
            "evidence": dict(self.evidence),
            "cannot_see": list(self.cannot_see),
        }


def predict_transfer(
    flow_a: Sequence[Flow],
    flow_b: Sequence[Flow],
    *,
    null_a: Sequence[Flow],
    null_b: Sequence[Flow],
    zero_shots: Sequence[ZeroShot] = (),
    skews: tuple[float, float] | None = None,
    window: Window | tuple[int, int] | None = None,
    rule: Rule | None = None,
) -> Prediction:
    """Whether tickets of task A will recover most of what B's own are worth, by a fixed rule [Redman2022, the idea].

    The idea that exponents tell what transfers is [Redman2022]'s; rule, thresholds and probabilities are our own, see
    `Rule`. It decides by the task signals of both and by the zero-shot error; distance and verdict on the class of
    the exponents, and the skew of the inputs, are evidence for the reader. A to B is another question than B to A.

    Args:
        flow_a: runs on the source, one for each seed.
        flow_b: runs on the target, with the same network, optimiser, steps and schedule.
        null_a: their null flows, from `gaussian_null` or `empirical_null`: one for each run, or one for all.
        null_b: likewise of `flow_b`.
        zero_shots: of tickets of A on B, one for each seed; without them the veto is left out, and it is said so.
        skews: `input_skew` of both tasks.
        window: from which level to which exponents are fitted in all runs; default: `window_of` all runs together.
        rule: default: `Rule()`.

    Raises:
        ValueError: if there is no flow, or nulls or window do not fit.

    Example:
        >>> from tombola.renormalization import gaussian_null
        >>> kept = [1500, 1200, 960, 768]
        >>> null, flow = (gaussian_null(kept, {"a": 500, "b": 1000}, {"a": a, "b": 0.7}) for a in (1.0, 3.0))
        >>> found = predict_transfer([flow], [flow], null_a=[null], null_b=[null], window=(0, 3))
        >>> found.verdict, round(found.probability, 2)
        ('transfers', 0.8)
    """
    rule = rule or Rule()
    exponents = _exponents(flow_a, flow_b, window)
    signals = [anomalous(*pair) for pair in zip(exponents, (null_a, null_b), strict=True)]
    usable = [found for found in zero_shots if not found.refusals]
    is_vetoed = bool(usable) and _is_vetoed(usable)
    points = None if flow_a[0].groups == flow_b[0].groups else min(len(found.groups) for found in exponents)
    compared = universality(*exponents, margin=rule.margin, points=points)
    evidence: dict[str, Any] = {
        "task_signals": _signals(signals),
        "universality": compared.to_json(),
        "zero_shot": _zero_shots(usable, is_vetoed),
        "sign_alignment": _alignment(skews),
    }
    refusals = [line for found in signals for line in found.refusals] + list(compared.refusals)
    refusals += [line for found in zero_shots for line in found.refusals]
    if not usable:
        refusals.append("no zero-shot error is known: the veto is left out")
    evidence["refusals"] = list(dict.fromkeys(refusals))
    cannot_see = (SYMMETRY, BUDGET, SETTINGS, *([ARCHITECTURES] if flow_a[0].groups != flow_b[0].groups else []))
    source, target = (found.task_signal for found in signals)
    if source is None or target is None:
        return Prediction(None, "undecided", evidence, cannot_see)
    says = rule.says(source, target, is_vetoed=is_vetoed)
    probability = (rule.frequencies if usable else rule.without_veto).probability(says)
    return Prediction(probability, "transfers" if says else "does not transfer", evidence, cannot_see)


def _exponents(
    flow_a: Sequence[Flow], flow_b: Sequence[Flow], window: Window | tuple[int, int] | None
) -> tuple[Exponents, Exponents]:
    """Of both tasks over one window; over one each if their groups are not the same."""
    if not flow_a or not flow_b:
        raise ValueError("there are no runs of one of the tasks")
    if isinstance(window, Window):
        both = window
    elif flow_a[0].groups != flow_b[0].groups:
        return drift(flow_a, window=window), drift(flow_b, window=window)
    else:
        start, stop = window or (2, None)
        both = window_of([*flow_a, *flow_b], start=start, stop=stop)
    if both.times is not None and len(both.levels) != len(flow_a) + len(flow_b):
        raise ValueError(f"the window is of {len(both.levels)} runs, wanted those of both tasks together")
    first, second = both.levels[: len(flow_a)], both.levels[len(flow_a) :]
    return drift(flow_a, window=replace(both, levels=first)), drift(flow_b, window=replace(both, levels=second))


def _signals(signals: Sequence[Anomalous]) -> dict[str, Any]:
    return {
        task: {"value": found.task_signal, "low": found.signal_low, "high": found.signal_high}
        for task, found in zip(("source", "target"), signals, strict=True)
    }


def _is_vetoed(found: Sequence[ZeroShot]) -> bool:
    """By most seeds."""
    return 2 * sum(one.is_vetoed for one in found) > len(found)


def _zero_shots(found: Sequence[ZeroShot], is_vetoed: bool) -> dict[str, Any] | None:
    """The mean over seeds."""
    if not found:
        return None
    return {
        "error": float(np.mean([one.error for one in found])),
        "chance": found[0].chance,
        "is_vetoed": is_vetoed,
        "seeds": len(found),
    }


def _alignment(skews: tuple[float, float] | None) -> dict[str, Any] | None:
    if skews is None:
        return None
    return {"skews": list(skews), "is_same_sign": bool(skews[0] * skews[1] > 0)}
