"""The one shape that every layer of every construction has: units, ports that own them, and targets to be summed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

DRAW = 64  # units drawn from the source at a time, at least; no choice depends on it

NOBODY = np.empty(0, np.int64)

Rows = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """Hand out hidden units to ports so that each port's targets are subset sums of what its units offer.

    A unit `u` owned by port `p` offers target `j` the element `factor[u, column[p]] * element[u, j]`. The port owns
    the unit through one edge (the factor) and every target may keep or drop its own edge (the element).

    Attributes:
        targets: `(ports, m)` the weights that each port has to reach.
        columns: `(ports,)` the column of a unit's factors that belongs to the port.
        signs: `(ports,)` +1 or -1 where the factor must have that sign, 0 where either will do.
        factors: the factors `(units, ...)` float32 of the units asked for.
        elements: the elements `(units, m)` float32 of the units asked for; 0 where a unit has none.
        least_factor: the smallest factor magnitude that is worth owning.
        tolerance: the largest |sum - target| allowed; targets no larger than this keep no edge.
    """

    targets: Float[np.ndarray, "ports m"]
    columns: Int[np.ndarray, " ports"]
    signs: Int[np.ndarray, " ports"]
    factors: Rows
    elements: Rows
    least_factor: float
    tolerance: float

    def order(self) -> np.ndarray:
        """The ports, the one with the largest target first: it needs most units and should choose among most."""
        size = np.abs(self.targets).max(axis=1, initial=0.0)
        return np.argsort(-size, kind="stable")

    def active(self, port: int) -> np.ndarray:
        """The targets of a port that need an edge at all."""
        return np.flatnonzero(np.abs(self.targets[port]) > self.tolerance)


class FreeUnits:
    """The units that nobody owns yet, in the order of their addresses, with the values that choosing needs.

    Only a window is held: units are drawn from the source when an offer runs short and forgotten once taken.

    Args:
        problem: whose units they are.
        taken: units that somebody owns already.
    """

    def __init__(self, problem: Problem, taken: np.ndarray = NOBODY) -> None:
        self._problem = problem
        self._taken = taken
        self._drawn = 0
        self._ids = np.empty(0, np.int64)
        self._slots = np.empty(0, np.int64)
        self._factors = np.empty((0, 0), np.float32)
        self.rows = np.empty((0, 0), np.float32)
        self._spare: list[int] = []

    def offer(self, port: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first `count` free units that the port can own: ids, slots (rows of `rows`) and factors."""
        while True:
            values = self._values(port)
            sign = self._problem.signs[port]
            fits = np.abs(values) if sign == 0 else values * sign
            good = np.flatnonzero(fits >= self._problem.least_factor)[:count]
            if good.size == count:
                return self._ids[good], self._slots[good], values[good]
            self._draw(max(DRAW, 2 * (count - good.size)))

    def take(self, ids: np.ndarray) -> None:
        """Units leave: somebody owns them now."""
        gone = np.isin(self._ids, ids)
        self._spare += self._slots[gone].tolist()
        self._ids, self._slots = self._ids[~gone], self._slots[~gone]

    def _values(self, port: int) -> np.ndarray:
        if not self._slots.size:
            return np.empty(0, np.float32)
        return self._factors[self._slots, self._problem.columns[port]]

    def _draw(self, count: int) -> None:
        ids = np.setdiff1d(np.arange(self._drawn, self._drawn + count), self._taken, assume_unique=True)
        self._drawn += count
        if not ids.size:
            return
        factors, rows = self._problem.factors(ids), self._problem.elements(ids)
        if len(self._spare) < ids.size:
            held = len(self.rows)
            extra = max(count, held)
            self._factors = _taller(self._factors, extra, factors)
            self.rows = _taller(self.rows, extra, rows)
            self._spare += range(held, held + extra)
        slots = np.array([self._spare.pop() for _ in range(ids.size)], np.int64)
        self._factors[slots], self.rows[slots] = factors, rows
        self._ids, self._slots = np.concatenate([self._ids, ids]), np.concatenate([self._slots, slots])


def _taller(table: np.ndarray, extra: int, like: np.ndarray) -> np.ndarray:
    grown = np.zeros((len(table) + extra, like.shape[1]), np.float32)
    grown[: len(table), : table.shape[1]] = table
    return grown
