"""The levels over which exponents are worth fitting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._bends import bends, straightness
from ._flow import Flow
from ._runs import SAME_TIME, collapsed, different_groups, remarks

START = 2  # by then training has moved the masks
FEWEST = 50
SHORTEST = 3  # levels through which a line can be fitted, with a residual
SHORTEST_BENT = 4  # likewise a parabola


@dataclass(frozen=True, eq=False)
class Window:
    """From which level of each run to which its exponents are fitted, and why.

    Attributes:
        groups: those with weights enough; others are left out, and `refusals` says so.
        levels: first and last level of each run, both included; empty if there is no window.
        times: the times of the flow between which they lie; None if there is no window.
        fit: of each group, the fraction of the variance of its log-magnitude that a line explains, on average over
            runs; None if it does not vary.
        reasons: why the window ends where it does, and which rules could not be applied.
        refusals: what is left out or cannot be given.
    """

    groups: tuple[str, ...]
    levels: tuple[tuple[int, int], ...]
    times: tuple[float, float] | None
    fit: Mapping[str, float | None]
    reasons: tuple[str, ...]
    refusals: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The window as plain data."""
        return {
            "levels": [list(pair) for pair in self.levels],
            "times": None if self.times is None else list(self.times),
            "groups": list(self.groups),
            "fit": dict(self.fit),
            "reasons": list(self.reasons),
        }


def window_of(
    flows: Sequence[Flow],
    *,
    start: int = START,
    stop: int | None = None,
    chance: float | None = None,
    fewest: int = FEWEST,
) -> Window:
    """The levels of runs over which magnitudes of groups decay at steady rates.

    It ends at the last level before (a) a group has fewer than `fewest` weights, or no magnitude; (b) a run's error is
    more than halfway, on the log scale, from that of its dense network to chance; (c) the log-magnitude of a group
    bends: its quadratic coefficient differs from 0 over runs by a t test at 5 %, and adds more than 10 % to the
    linear change. The window is made shorter until none does, down to four levels. Runs of different schedules share
    an interval of time. Groups that fall below `fewest` within three levels are left out.

    Args:
        flows: one for each seed.
        start: the first level.
        stop: the last one. If given it is taken as it is, and the rules only say what they would have done; groups
            are then left out only if they vanish.
        chance: the error of guessing, as a fraction; default: `about["chance"]` of the runs, else rule (b) is not
            applied.
        fewest: weights that a group must keep.

    Raises:
        ValueError: if there is no flow, or not `0 <= start < stop`.

    Example:
        >>> counts = np.array([[1000, 2000], [800, 1600], [640, 1280], [512, 1024], [410, 819], [328, 655], [26, 524]])
        >>> flow = Flow(("a", "b"), np.array([1000, 2000]), counts, 1.0 * counts, 1.0 * counts)
        >>> window = window_of([flow])
        >>> window.levels, window.reasons[0]
        (((2, 5),), "ends before level 6 of run 0, where 'a' has fewer than 50 weights")
    """
    if start < 0 or (stop is not None and stop <= start):
        raise ValueError(f"a window has 0 <= start < stop, got {start} and {stop}")
    if problem := different_groups(flows) or collapsed(flows) or _too_short(flows, start, stop):
        return Window((), (), None, {}, (), (problem,))
    refusals = remarks(flows)
    begin = max(float(flow.time[start]) for flow in flows)
    firsts = [int(np.searchsorted(flow.time, begin - SAME_TIME)) for flow in flows]
    if any(len(flow.counts) - first < 2 for flow, first in zip(flows, firsts, strict=True)):
        return Window((), (), None, {}, (), (*refusals, "the runs share no interval of densities"))
    columns = _columns(flows, firsts, stop, fewest)
    groups = tuple(flows[0].groups[i] for i in columns)
    refusals += _left_out(flows[0], columns, 1 if stop is not None else fewest)
    if len(groups) < 2:
        return Window(groups, (), None, {}, (), (*refusals, "fewer than two groups are left; nothing to compare"))
    end, reasons = _end(flows, columns, firsts, chance, fewest)
    if stop is not None:
        end = min(float(flow.time[stop]) for flow in flows)
        reasons = ["the window was given", *(f"by the rules: {reason}" for reason in reasons)]
    levels = _levels(flows, firsts, end)
    if min(last - first + 1 for first, last in levels) < (2 if stop is not None else SHORTEST):
        refusals.append("the window has too few levels; give one with stop=, or more levels")
        return Window(groups, (), None, {}, tuple(reasons), tuple(refusals))
    fit = dict(zip(groups, straightness(flows, columns, levels), strict=True))
    return Window(groups, tuple(levels), (begin, end), fit, tuple(reasons), tuple(refusals))


def _end(
    flows: Sequence[Flow], columns: list[int], firsts: list[int], chance: float | None, fewest: int
) -> tuple[float, list[str]]:
    """The time at which the rules end a window, and why."""
    ends = [_by_counts(flows, columns, fewest), _by_error(flows, chance)]
    last = min(min(float(flow.time[-1]) for flow in flows), *(time for time, _ in ends))
    end, bent = _straight(flows, columns, firsts, last)
    return end, [reason for _, reason in ends if reason] + bent


def _too_short(flows: Sequence[Flow], start: int, stop: int | None) -> str | None:
    wanted = start + SHORTEST if stop is None else stop + 1
    for number, flow in enumerate(flows):
        if len(flow.counts) < wanted:
            return f"run {number} has {len(flow.counts)} levels; a window from level {start} on wants at least {wanted}"
    return None


def _levels(flows: Sequence[Flow], firsts: Sequence[int], end: float) -> list[tuple[int, int]]:
    """From the first levels to the last ones that are not behind a time."""
    lasts = [int(np.searchsorted(flow.time, end + SAME_TIME)) - 1 for flow in flows]
    return list(zip(firsts, lasts, strict=True))


def _columns(flows: Sequence[Flow], firsts: Sequence[int], stop: int | None, fewest: int) -> list[int]:
    """The groups that keep enough weights long enough."""
    enough = np.ones(len(flows[0].groups), bool)
    for flow, first in zip(flows, firsts, strict=True):
        last, least = (first + SHORTEST - 1, fewest) if stop is None else (stop, 1)
        rows = slice(first, min(last, len(flow.counts) - 1) + 1)
        enough &= (flow.counts[rows] >= least).all(axis=0) & (flow.magnitudes[rows] > 0).all(axis=0)
    return np.flatnonzero(enough).tolist()


def _left_out(flow: Flow, columns: Sequence[int], fewest: int) -> list[str]:
    """What to say of groups that are left out."""
    out = [repr(name) for i, name in enumerate(flow.groups) if i not in columns]
    why = "vanish" if fewest == 1 else f"have fewer than {fewest} weights"
    return [f"left out, because they {why} too early in some run: {', '.join(out)}"] if out else []


def _by_counts(flows: Sequence[Flow], columns: Sequence[int], fewest: int) -> tuple[float, str]:
    """The time of the last level at which all groups of all runs have weights enough."""
    end, reason = np.inf, ""
    for number, flow in enumerate(flows):
        poor = (flow.counts[:, columns] < fewest) | (flow.magnitudes[:, columns] <= 0)
        level = int(np.argmax(poor.any(axis=1)))
        if poor[level].any() and flow.time[max(level - 1, 0)] < end - SAME_TIME:
            name = flow.groups[columns[int(np.argmax(poor[level]))]]
            end = float(flow.time[max(level - 1, 0)])
            reason = f"ends before level {level} of run {number}, where {name!r} has fewer than {fewest} weights"
    return end, reason


def _by_error(flows: Sequence[Flow], chance: float | None) -> tuple[float, str]:
    """The time of the last level at which no run is more than halfway to chance."""
    end, reason = np.inf, ""
    for number, flow in enumerate(flows):
        guess = flow.about.get("chance") if chance is None else chance
        if flow.errors is None or not isinstance(guess, int | float) or flow.errors[0] <= 0:
            return end, reason or "errors or chance are not known, or the dense error is 0: no end by error"
        bad = flow.errors > np.sqrt(flow.errors[0] * guess)
        level = int(np.argmax(bad))
        if bad[level] and level and flow.time[level - 1] < end - SAME_TIME:
            end = float(flow.time[level - 1])
            reason = f"ends before level {level} of run {number}, whose error is more than halfway to chance"
    return end, reason


def _straight(flows: Sequence[Flow], columns: list[int], firsts: list[int], end: float) -> tuple[float, list[str]]:
    """The last time up to which no group bends, and what to say."""
    if len(flows) < 2:
        return end, ["one run only: no end by curvature"]
    said: list[str] = []
    levels = _levels(flows, firsts, end)
    while min(last - first + 1 for first, last in levels) >= SHORTEST_BENT:
        bent = bends(flows, columns, levels)
        if bent is None:
            return end, said
        name, part = flows[0].groups[columns[bent[0]]], bent[1]
        said = [f"ends before density {np.exp(-end):.3g}, because {name!r} bends by {part:.0%} of its linear change"]
        shorter = max(float(flow.time[last - 1]) for flow, (_, last) in zip(flows, levels, strict=True))
        if min(last - first for first, last in _levels(flows, firsts, shorter)) + 1 < SHORTEST_BENT:
            return end, [f"{name!r} bends by {part:.0%} of its linear change even over the shortest window"]
        end, levels = shorter, _levels(flows, firsts, shorter)
    return end, said
