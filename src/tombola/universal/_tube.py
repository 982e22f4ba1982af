"""Few kinks out of many given ones, so that a broken line stays inside a tube around a function.

The classical problem has free kinks, and the line that is still inside the tube furthest to the right wins. Here the
kinks are those of random hidden units: each has its place and its change of slope, and may be used once. A beam of the
best lines so far is kept instead of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BEAM = 12  # lines that are followed
STARTS = 7  # heights at the left end from which lines are tried


@dataclass(frozen=True, eq=False)
class Tube:
    """Where a broken line has to stay, on a grid.

    Attributes:
        points: `(m,)` ascending.
        lower: `(m,)` the least value allowed there.
        upper: `(m,)` the greatest.
    """

    points: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True, eq=False)
class BrokenLine:
    """A line that starts at the left end of a tube.

    Attributes:
        value: at the left end.
        slope: there.
        kinks: `(k,)` int64, which of the given kinks it has, from left to right.
    """

    value: float
    slope: float
    kinks: np.ndarray


@dataclass(frozen=True, eq=False)
class _Line:
    """A broken line on its way: its last kink, what it does from there on, and how far it stays inside."""

    start: tuple[float, float]
    kinks: tuple[int, ...]
    place: float
    value: float
    slope: float
    reach: int


def follow(tube: Tube, places: np.ndarray, changes: np.ndarray, costs: np.ndarray) -> BrokenLine | None:
    """A broken line inside a tube with cheap kinks out of those that are given, or None where none was found.

    Heuristic in the cost: for every cost, in ascending order, a beam of the lines that leave the tube last.

    Args:
        tube: where it has to stay, at the points of the tube.
        places: `(n,)` ascending, where the kinks are; no two of the same place are taken.
        changes: `(n,)` by how much the slope changes at each.
        costs: `(n,)` int64, positive: what each kink costs.

    Example:
        >>> x = np.linspace(0, 1, 101)
        >>> tube = Tube(x, x**2 - 0.02, x**2 + 0.02)
        >>> places = np.sort(np.random.default_rng(1).uniform(0, 1, 200))
        >>> line = follow(tube, places, np.full(200, 0.5), np.ones(200, np.int64))
        >>> line.kinks.size, bool((np.diff(places[line.kinks]) > 0).all())
        (3, True)
    """
    spent, left = 0, {0: [line for height in np.linspace(0.05, 0.95, STARTS) for line in _starts(tube, height)]}
    while left:
        lines = sorted(left.pop(spent, []), key=lambda line: -line.reach)[:BEAM]
        if lines and lines[0].reach == tube.points.size:
            return BrokenLine(*lines[0].start, np.array(lines[0].kinks, np.int64))
        for line in lines:
            for kink, grown in _grown(tube, line, places, changes):
                left.setdefault(spent + int(costs[kink]), []).append(grown)
        spent += 1
    return None


def _grown(tube: Tube, line: _Line, places: np.ndarray, changes: np.ndarray) -> list[tuple[int, _Line]]:
    """The line with one kink more: the kinks after which it stays inside longest, and which they are."""
    from ._tube_kernels import exits

    first = np.searchsorted(places, line.place, side="right")
    stop = np.searchsorted(places, tube.points[line.reach - 1], side="right")
    values = line.value + line.slope * (places[first:stop] - line.place)
    slopes = line.slope + changes[first:stop]
    reaches = exits(tube.points, tube.lower, tube.upper, places[first:stop], values, slopes)
    best = np.argsort(-reaches, kind="stable")[:BEAM]
    best = best[reaches[best] > np.searchsorted(tube.points, places[first + best])]
    return [
        (
            int(first + k),
            _Line(
                line.start,
                (*line.kinks, int(first + k)),
                float(places[first + k]),
                float(values[k]),
                float(slopes[k]),
                int(reaches[k]),
            ),
        )
        for k in best
    ]


def _starts(tube: Tube, height: float) -> list[_Line]:
    """Lines from a height at the left end, between 0 and 1 of the tube, that stay inside as long as any."""
    x, left = tube.points, float(tube.points[0])
    value = float(tube.lower[0] + height * (tube.upper[0] - tube.lower[0]))
    steepest = np.minimum.accumulate((tube.upper[1:] - value) / (x[1:] - left))
    flattest = np.maximum.accumulate((tube.lower[1:] - value) / (x[1:] - left))
    reach = int((steepest >= flattest).sum())  # how many points after the first one can still be passed
    if not reach:
        return []
    slopes = np.linspace(flattest[reach - 1], steepest[reach - 1], 3).tolist()
    return [_Line((value, slope), (), left, value, slope, reach + 1) for slope in slopes]
