"""Whether the groups at one level say all that they can of the next, or the level before still helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ._coordinates import log_ratios
from ._flow import Flow
from ._intervals import student
from ._runs import SAME_TIME
from ._window import Window, window_of

FEWEST_RUNS = 4
ENOUGH = 8  # runs; with fewer, memory is often missed
PER_UNKNOWN = 4  # rows of the fit
LITTLE = 0.1  # of what is left unexplained
EXACT = 1e-18  # of the squares; less is rounding
EVEN = 0.05  # by how much of their mean steps may differ


@dataclass(frozen=True)
class MarkovDefect:
    """How much better the next level can be foretold from two levels than from one.

    Attributes:
        gain: of the squared error that one level leaves on a run that was not fitted, the part that the level before
            takes away; below 0 if it only adds noise to the fit; None if refused.
        low: lower end of its interval over runs; None likewise.
        high: upper end.
        verdict: "memory" if the interval lies above 0, "no memory" if it reaches neither there nor to 0.1, else
            "undecided".
        runs: how many.
        steps: of each run, that are foretold.
        refusals: in words.
    """

    gain: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Literal["memory", "no memory", "undecided"] = "undecided"
    runs: int = 0
    steps: int = 0
    refusals: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The defect as plain data, None where there is no number."""
        return {
            "gain": self.gain,
            "low": self.low,
            "high": self.high,
            "verdict": self.verdict,
            "runs": self.runs,
            "steps": self.steps,
            "refusals": list(self.refusals),
        }


def markov_defect(
    flows: Sequence[Flow], *, window: Window | tuple[int, int] | None = None, confidence: float = 0.95
) -> MarkovDefect:
    """Whether log-ratios of magnitudes at level n + 1 depend on those at level n - 1, given those at level n.

    Looked at are deviations of runs from their mean at each level, so that the curve all runs follow does not count.
    One linear map for all levels of the window is fitted to all runs but one, `x(n+1) = A x(n)`, and again with
    `x(n-1)` beside; both foretell the run that was left out. Each run is left out once, and the differences of its two
    errors are paired: the gain is their sum over that of the errors of the first map, its interval Student's t.

    Heuristic: fits that share runs are not independent. On simulated chains of eleven levels intervals were above 0 in
    less than 1 % of those without memory. Masks, rewind weights and noise together decide the next level exactly;
    groups are a shadow of them. Memory of groups may be that of the rewind weights, which are the same at all levels,
    noise of single levels, or a map that changes within the window.

    Args:
        flows: one for each seed, of one schedule, at least four.
        window: as for `drift`; its levels must be evenly spaced in time.
        confidence: of the interval.

    Raises:
        ValueError: if there is no flow, or a window is of other runs.

    Example:
        >>> random = np.random.default_rng(0)
        >>> counts = (1e6 * 0.8 ** np.arange(12)).astype(int)[:, None].repeat(2, axis=1)
        >>> def walk():
        ...     magnitudes = counts * np.exp(0.1 * random.standard_normal((12, 2)).cumsum(axis=0))
        ...     return Flow(("a", "b"), counts[0], counts, magnitudes, magnitudes)
        >>> markov_defect([walk() for _ in range(16)], window=(0, 11)).verdict
        'no memory'
    """
    if not isinstance(window, Window):
        window = window_of(flows) if window is None else window_of(flows, start=window[0], stop=window[1])
    if window.times is None:
        return MarkovDefect(runs=len(flows), refusals=window.refusals)
    if len(window.levels) != len(flows):
        raise ValueError(f"the window is of {len(window.levels)} runs, but there are {len(flows)}")
    steps = min(last - first for first, last in window.levels) - 1
    if problem := _problem(flows, window, steps):
        return MarkovDefect(runs=len(flows), steps=max(steps, 0), refusals=(problem,))
    columns = [flows[0].groups.index(name) for name in window.groups]
    pairs = zip(flows, window.levels, strict=True)
    points = np.array([log_ratios(flow.magnitudes[a : b + 1, columns]).filled(0.0) for flow, (a, b) in pairs])
    spread = float(((points - points.mean(axis=0)) ** 2).sum())
    if spread <= EXACT * float((points**2).sum()):
        return MarkovDefect(runs=len(flows), steps=steps, refusals=("the runs are alike: nothing is to be foretold",))
    one, two = np.array([_errors(points, run) for run in range(len(points))]).T
    if (left := one.mean()) <= EXACT * spread:
        return MarkovDefect(0.0, 0.0, 0.0, "no memory", len(flows), steps)
    return _judged((one - two) / left, steps, confidence)


def _judged(gains: np.ndarray, steps: int, confidence: float) -> MarkovDefect:
    """What gains of each run `(runs,)` say."""
    low, high = (float(end[0]) for end in student(gains[:, None], confidence=confidence))
    verdict = "memory" if low > 0 else "no memory" if high < LITTLE else "undecided"
    few = (f"fewer than {ENOUGH} runs: memory may well be missed",) if len(gains) < ENOUGH else ()
    return MarkovDefect(float(gains.mean()), low, high, verdict, len(gains), steps, few)


def _problem(flows: Sequence[Flow], window: Window, steps: int) -> str | None:
    """Why nothing can be foretold."""
    if len(flows) < FEWEST_RUNS:
        return f"memory wants at least {FEWEST_RUNS} runs, there are {len(flows)}"
    times = [flow.time[first : last + 1] for flow, (first, last) in zip(flows, window.levels, strict=True)]
    if any(len(time) != len(times[0]) or np.abs(time - times[0]).max() > SAME_TIME for time in times):
        return "the runs have different schedules: levels cannot be paired"
    unknowns = 2 * (len(window.groups) - 1)
    if (len(flows) - 2) * steps < PER_UNKNOWN * unknowns:
        wanted = f"{-(-PER_UNKNOWN * unknowns // max(steps, 1)) + 2} runs" if steps > 0 else "a window of four levels"
        return f"{steps} steps of {len(flows)} runs are too few for {len(window.groups)} groups; take {wanted}"
    lengths = np.diff(times[0])
    if (np.abs(lengths - lengths.mean()) > EVEN * lengths.mean()).any():
        return "levels are not evenly spaced in time: each step has its own map"
    return None


def _errors(points: np.ndarray, run: int) -> tuple[float, float]:
    """Squared errors on one run of maps from one level and from two, fitted to the other runs `(runs, levels, r)`."""
    others = np.delete(points, run, axis=0)
    mean = others.mean(axis=0)
    found = []
    for levels in (1, 2):
        fitted, wanted = _lagged(others - mean, levels)
        matrix = np.linalg.lstsq(fitted, wanted, rcond=None)[0]
        own, ahead = _lagged(points[run : run + 1] - mean, levels)
        found.append(float(((ahead - own @ matrix) ** 2).sum()))
    return found[0], found[1]


def _lagged(deviations: np.ndarray, levels: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one level, or of it and the one before, and the level that comes next."""
    width = deviations.shape[2]
    before = [deviations[:, 1 - lag : -1 - lag] for lag in range(levels)]
    return np.concatenate(before, axis=2).reshape(-1, levels * width), deviations[:, 2:].reshape(-1, width)
