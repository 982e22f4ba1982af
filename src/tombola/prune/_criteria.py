"""The criteria by name, for the command line and for sweeps, with the rounds that they are meant for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from tombola import allocate, scores
from tombola.allocate import Allocation
from tombola.scores import Score

from ._rounds import Rounds, geometric

Named = TypeVar("Named")


@dataclass(frozen=True)
class Criterion:
    """A criterion as it is usually run.

    Attributes:
        score: the criterion.
        text: what it goes by.
        rounds: how many a mask takes by default; a sampled one takes one.
        revive: whether a weight may come back in a later round.
        most: the largest density that it says something about.
    """

    score: Score
    text: str
    rounds: int = 1
    revive: bool = False
    most: float = 1.0

    def schedule(self, density: float, rounds: int | None = None, *, sampled: bool = False) -> Rounds:
        """The densities of its rounds, which fall geometrically.

        Args:
            density: in the end.
            rounds: how many. Default: its own, and one where masks are sampled.
            sampled: whether masks are drawn instead of cut.

        Raises:
            ValueError: if the density is out of range.
        """
        found = geometric(density, rounds or (1 if sampled else self.rounds), revive=self.revive)
        if density > self.most:
            raise ValueError(f"this score is for densities up to {self.most:g}, got {density}")
        return found


CRITERIA: dict[str, Criterion] = {
    "random": Criterion(scores.random, "chance; with an allocation the baseline that is hard to beat"),
    "magnitude": Criterion(scores.magnitude, "moduli of the initial weights"),
    "relative-magnitude": Criterion(scores.relative_magnitude, "the same in units of each layer's own spread"),
    "snip": Criterion(scores.snip, "how much the loss feels a weight; on data"),
    "fts": Criterion(scores.fts, "the same to second order, by Fisher's diagonal; on data"),
    "hts": Criterion(scores.hts, "the same to second order, by the Hessian's diagonal; on data"),
    "grasp": Criterion(scores.grasp, "how much the flow of gradients needs a weight; on data"),
    "force": Criterion(scores.force, "snip in rounds, in which weights may come back; on data", 60, revive=True),
    "prospr": Criterion(scores.prospr, "how much the loss after some steps feels a weight; on data"),
    "ntk-sap": Criterion(scores.ntk_sap, "how much the tangent kernel feels a weight; on noise", 20),
    "synflow": Criterion(scores.synflow, "how much flows through a weight, all of them positive", 100),
    "synflow-l2": Criterion(scores.synflow_l2, "the same with squares of weights", 100),
    "px": Criterion(scores.px, "the same over paths that data make active; on data without labels", 100),
    "phew": Criterion(
        scores.phew, "random walks from end to end that prefer large weights; up to half of all", most=0.5
    ),
}
ALLOCATIONS: dict[str, Allocation] = {
    "uniform": allocate.uniform,
    "uniform-plus": allocate.uniform_plus,
    "er": allocate.er,
    "erk": allocate.erk,
    "erk-plus": allocate.erk_plus,
    "balanced": allocate.balanced,
    "pyramid": allocate.pyramid,
    "igq": allocate.igq,
    "smart-ratios": allocate.smart_ratios,
}


def named(what: str, name: str, table: Mapping[str, Named]) -> Named:
    """What a table has under a name.

    Raises:
        ValueError: if there is nothing; it says which name is nearest.

    Example:
        >>> named("score", "snipp", CRITERIA)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: unknown score 'snipp'; did you mean 'snip'? There are random, magnitude, ...
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(name, table, n=1)
    advice = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown {what} {name!r}; {advice}There are {', '.join(table)}")
