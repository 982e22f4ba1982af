"""Relays: hidden units of a deep parent that pass one number on, each through a single positive edge.

A carrier takes an input to a later stage. An accumulator gathers one sign of an output's sum and passes it on to the
accumulator of the next stage. Both are chosen, among free units, for the edge with which most nearly all of the number
arrives, so that nothing fades however many stages there are. Carriers are chosen first, from the first stage on; copies
of inputs, which have to be choosy, come next; accumulators, from the last stage on, take what copies have left over.
That a unit was chosen for one edge says nothing about its others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from tombola.random_source import Source, Uniform

from ._layer import TargetLayer
from ._two_layer import UNIT_LAW, outer_law

OFFER = 512  # free units to choose among
FILL = 8  # units that every input of a stage takes at least: carriers may be spread over as many places more
SPARE = 8  # places more than are needed
LEAST = 0.5  # what relays pass on, or its inverse: they look further where it would be less
MIDDLE_LAW = Uniform(1.25)  # of edges between hidden stages: wide enough for relays to pass all of a number on


@dataclass(frozen=True, eq=False)
class Plan:
    """A target layer as the stages of a deep parent; stage t is fed by source layer t and read by source layer t + 1.

    Attributes:
        layer: the target.
        groups: for each hidden stage, the columns of `layer.augmented` whose products it holds.
        source: the parent.
    """

    layer: TargetLayer
    groups: list[np.ndarray]
    source: Source

    @property
    def last(self) -> int:
        """The last hidden stage."""
        return len(self.groups) - 1

    @cached_property
    def laws(self) -> list[Uniform]:
        """The law of every source layer."""
        return [UNIT_LAW, *[MIDDLE_LAW] * self.last, outer_law(self.layer)]

    @property
    def names(self) -> list[str]:
        """The tensor of every source layer."""
        middle = [f"{self.layer.name}.{number}" for number in range(2, len(self.groups) + 1)]
        return [f"{self.layer.name}.in", *middle, f"{self.layer.name}.out"]

    def edges(self, number: int, feeds: np.ndarray, units: np.ndarray) -> np.ndarray:
        """The values `(feeds, units)` float32 of some edges of a source layer; the first one's feeds are columns."""
        if not feeds.size or not units.size:
            return np.zeros((feeds.size, units.size), np.float32)
        if number:
            return self._block(self.names[number], feeds, units, law=self.laws[number])
        constant = feeds == self.layer.inputs
        values = np.empty((feeds.size, units.size), np.float32)
        if constant.any():
            values[constant] = self._block(f"{self.names[0]}.bias", units, np.zeros(1, np.int64), law=UNIT_LAW)[:, 0]
        if not constant.all():
            values[~constant] = self._block(self.names[0], units, feeds[~constant], law=UNIT_LAW).T
        return values

    def _block(self, name: str, rows: np.ndarray, columns: np.ndarray, *, law: Uniform) -> np.ndarray:
        low, high = int(columns.min()), int(columns.max()) + 1
        return self.source.block(name, law, rows, range(low, high), threads=1)[:, columns - low]


@dataclass(frozen=True, eq=False)
class Relays:
    """Relays of one kind in one stage.

    Attributes:
        units: `(m,)` int64.
        scales: `(m,)` float64, positive. Of a carrier, the multiple of its input that it carries; of an accumulator,
            what of its value reaches its output, where it is taken away if it is a negative part.
    """

    units: np.ndarray
    scales: np.ndarray


def choose_carriers(plan: Plan) -> list[Relays]:
    """The carriers of every hidden stage, in the order of the later inputs that they carry."""
    feeds = np.concatenate(plan.groups)
    scales, found = np.ones(feeds.size), []
    for stage, group in enumerate(plan.groups):
        feeds, scales = feeds[group.size :], scales[group.size :]
        accumulators = 2 * plan.layer.outputs if stage else 0
        window = np.arange(feeds.size + FILL * group.size + accumulators + SPARE)

        passed = partial(_carried, plan, stage, Relays(feeds, scales))
        found.append(choose(np.arange(feeds.size), window, passed, beyond=window.size))
        feeds, scales = found[-1].units, found[-1].scales
    return found


def _carried(plan: Plan, stage: int, before: Relays, number: int, units: np.ndarray) -> np.ndarray:
    """The multiple of its input that a carrier would carry in some units of a stage, float64."""
    return before.scales[number] * plan.edges(stage, before.units[number : number + 1], units)[0].astype(np.float64)


def choose_accumulators(plan: Plan, stage: int, taken: np.ndarray, after: Relays | None) -> Relays:
    """The accumulators `(2 outputs,)` of a stage: for the positive part of every output, then for the negative ones.

    What they pass on is compared with the half-width of the outer law, the most that an output can get.

    Args:
        plan: of the layer.
        stage: which hidden stage.
        taken: `(m,)` its units that are something else.
        after: the accumulators of the next stage; None where outputs are next.
    """
    outputs, whole = plan.layer.outputs, plan.laws[-1].half_width
    goals, worth = np.tile(np.arange(outputs), 2), np.repeat([1.0, -1.0], outputs) / whole
    if after is not None:
        goals, worth = after.units, after.scales / whole
    places = max(int(taken.max(initial=-1)) + 1, taken.size + goals.size + SPARE)

    def reaching(number: int, units: np.ndarray) -> np.ndarray:
        return worth[number] * plan.edges(stage + 1, units, goals[number : number + 1])[:, 0].astype(np.float64)

    weakest_first = np.argsort(np.abs(worth), kind="stable")
    chosen = choose(weakest_first, np.setdiff1d(np.arange(places), taken), reaching, beyond=places)
    return Relays(chosen.units, chosen.scales * whole)


def choose(
    jobs: np.ndarray, free: np.ndarray, passed: Callable[[int, np.ndarray], np.ndarray], *, beyond: int
) -> Relays:
    """A unit for every job, and what it passes on. Heuristic: each takes what is nearest to 1 of what is left.

    Args:
        jobs: `(n,)` the numbers 0, 1, ..., n - 1 in the order in which they choose.
        free: `(m,)` free units.
        passed: what some units would pass on for a job; none that is not positive is chosen.
        beyond: from this unit on all are free as well; they are looked at where the others pass less than `LEAST` on,
            or more than its inverse.

    Example:
        >>> chosen = choose(np.array([1, 0]), np.array([0, 2]), lambda job, units: 1.0 + units / 2, beyond=4)
        >>> chosen.units.tolist(), chosen.scales.tolist()
        ([2, 0], [2.0, 1.0])
    """
    units, scales = np.zeros(jobs.size, np.int64), np.zeros(jobs.size)
    window, waiting = free[:OFFER], free[OFFER:]
    for job in jobs.tolist():
        offered = passed(job, window)
        while nearness(offered).max(initial=0.0) < LEAST:
            window, beyond = np.append(window, np.arange(beyond, beyond + SPARE)), beyond + SPARE
            offered = passed(job, window)
        best = int(nearness(offered).argmax())
        units[job], scales[job] = window[best], offered[best]
        window, waiting = np.append(np.delete(window, best), waiting[:1]), waiting[1:]
    return Relays(units, scales)


def nearness(scales: np.ndarray) -> np.ndarray:
    """How near to 1 positive numbers are: 1 for 1, 1/2 for 2 and 1/2; 0 where they are not positive.

    Example:
        >>> nearness(np.array([2.0, 0.9, -1.0])).tolist()
        [0.5, 0.9, 0.0]
    """
    positive = np.maximum(scales, np.finfo(np.float64).tiny)
    return np.where(scales > 0, np.minimum(positive, 1 / positive), 0.0)
