"""Whether two settings have the same exponents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ._difference import Difference, difference, distance
from ._equivalence import Equivalence, equivalence
from ._exponents import Exponents
from ._matching import profile

Verdict = Literal["same", "different", "undecided"]
ENOUGH = 8  # seeds of each, for a fair chance to see a difference of two standard deviations


@dataclass(frozen=True, eq=False)
class Universality:
    """What two sets of exponents say of their settings.

    Attributes:
        verdict: "same" if every exponent is the same within the margin; "different" if it is not shown to be, and
            a permutation test finds a difference; else "undecided".
        places: the groups, or relative depths, that are compared.
        distance: less what noise adds; None if there is nothing to compare.
        difference: the permutation test; None likewise.
        equivalence: simultaneous intervals of the differences; None likewise.
        refusals: in words.
    """

    verdict: Verdict
    places: tuple[str, ...]
    distance: float | None
    difference: Difference | None
    equivalence: Equivalence | None
    refusals: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The comparison as plain data, None where there is no number."""
        test, same = self.difference, self.equivalence
        intervals = None if same is None else zip(same.value, same.low, same.high, strict=True)
        return {
            "verdict": self.verdict,
            "distance": self.distance,
            "p_value": None if test is None else test.p_value,
            "splits": None if test is None else test.splits,
            "exact": None if test is None else test.exact,
            "margin": None if same is None else same.margin,
            "differences": None
            if intervals is None
            else {
                place: dict(zip(("value", "low", "high"), map(float, row), strict=True))
                for place, row in zip(self.places, intervals, strict=True)
            },
            "refusals": list(self.refusals),
        }


def universality(
    first: Exponents,
    second: Exponents,
    *,
    points: int | None = None,
    margin: float = 0.05,
    significance: float = 0.05,
    seed: int = 0,
) -> Universality:
    """Whether two settings are of one class of exponents: the same, different, or undecided.

    That a test finds no difference does not make them the same; for that all differences must lie within the margin.
    And the same exponents do not make tickets transfer: tasks that differ by signs of their inputs have them too.

    Args:
        first: of one setting, fitted over the same densities with the same estimator.
        second: of the other.
        points: if given, exponents are compared at so many relative depths, for networks of different depth.
        margin: chosen before the data are seen.
        significance: of the permutation test.
        seed: of permutations and the bootstrap.

    Raises:
        ValueError: if the margin or the points are out of range.

    Example:
        >>> from tombola.renormalization import drift, gaussian_null
        >>> def runs(scale):
        ...     nulls = [gaussian_null([1500, 1200, 960, 768], {"a": 500, "b": 1000}, {"a": scale + k / 99, "b": 0.7})
        ...              for k in range(8)]
        ...     return drift(nulls, window=(0, 3))
        >>> universality(runs(1.0), runs(1.0)).verdict, universality(runs(1.0), runs(2.0)).verdict
        ('same', 'different')
    """
    refusals = list(dict.fromkeys([*first.refusals, *second.refusals]))
    a, b = first.runs, second.runs
    if problem := _problem(first, second, points):
        return Universality("undecided", (), None, None, None, (*refusals, problem))
    assert a is not None
    assert b is not None
    places = first.groups
    if points is not None:
        a, b = profile(a, points), profile(b, points)
        places = tuple(f"depth {depth:.3g}" for depth in np.linspace(0, 1, points))
    if min(len(a), len(b)) < ENOUGH:
        refusals.append(f"fewer than {ENOUGH} seeds of a setting: differences may well be missed")
    refusals += _windows(first, second)
    same = equivalence(a, b, margin=margin, seed=seed)
    test = difference(a, b, seed=seed)
    verdict = "same" if same.accepted else "different" if test.p_value < significance else "undecided"
    return Universality(verdict, places, distance(a, b), test, same, tuple(refusals))


def _problem(first: Exponents, second: Exponents, points: int | None) -> str | None:
    """Why nothing can be compared."""
    if first.runs is None or second.runs is None:
        return "a setting has no exponents; nothing to compare"
    if min(len(first.runs), len(second.runs)) < 2:
        return "one seed of a setting only: its spread is not known; nothing to compare"
    if points is None and first.groups != second.groups:
        return "the settings have different groups; compare them over relative depth with points="
    return None


def _windows(first: Exponents, second: Exponents) -> list[str]:
    """What differs between the windows."""
    a, b = first.window.times, second.window.times
    if a is None or b is None or max(abs(a[0] - b[0]), abs(a[1] - b[1])) < 0.05:
        return []
    shown = " and ".join(f"{np.exp(-begin):.3g} to {np.exp(-end):.3g}" for begin, end in (a, b))
    return [f"the windows are of different densities, {shown}; exponents may differ for that alone"]
