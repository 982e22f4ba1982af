"""Whether runs can be looked at together, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._flow import Flow

SAME_TIME = 1e-3  # times of levels that differ by rounding of counts only
PER_RUN = frozenset({"seed", "data"})


def different_groups(flows: Sequence[Flow]) -> str | None:
    """Why the groups of the runs cannot be compared, or None if they are the same.

    Raises:
        ValueError: if there is no run.
    """
    if not flows:
        raise ValueError("there is no flow; give one for each seed")
    for number, flow in enumerate(flows):
        if flow.groups != flows[0].groups:
            return f"run {number} has the groups {', '.join(flow.groups)}, run 0 has {', '.join(flows[0].groups)}"
        if not np.array_equal(flow.sizes, flows[0].sizes):
            return f"the groups of run {number} are of other sizes than those of run 0"
    return None


def remarks(flows: Sequence[Flow]) -> list[str]:
    """What differs between runs although it can be allowed for."""
    found = []
    first = flows[0]
    if len({len(flow.counts) for flow in flows}) > 1:
        levels = sorted({len(flow.counts) for flow in flows})
        found.append(f"the runs have {levels[0]} to {levels[-1]} levels; the shortest says where the window can end")
    shortest = min(len(flow.counts) for flow in flows)
    apart = max(float(np.abs(flow.time[:shortest] - first.time[:shortest]).max()) for flow in flows)
    if apart > SAME_TIME:
        found.append("the runs have different schedules; levels are compared by their densities")
    keys = {key for flow in flows for key in flow.about} - PER_RUN
    absent = object()
    if other := sorted(
        key for key in keys if any(flow.about.get(key, absent) != first.about.get(key) for flow in flows)
    ):
        found.append(f"the runs differ in {', '.join(other)}; exponents depend on such settings")
    return found


def collapsed(flows: Sequence[Flow]) -> str | None:
    """Which run keeps nothing at some level, so that it has no time there."""
    for number, flow in enumerate(flows):
        if (flow.kept == 0).any():
            return f"run {number} keeps no weight at level {int(np.argmin(flow.kept > 0))}; leave that level out"
    return None
