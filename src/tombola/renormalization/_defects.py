"""How far two ways to the same density come out at the same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._flow import Flow
from ._runs import collapsed, different_groups

LIMIT = 0.1  # of densities; beyond it steps are too large to compose
MARKOV = (
    "Compared are densities of groups alone. That the next level follows from this one is exact for masks, rewind "
    "weights and noise together, since training begins anew from the rewind weights; densities of groups are a shadow "
    "of that; whether they alone decide what comes next is another question, see `markov_defect`."
)


@dataclass(frozen=True, eq=False)
class SemigroupDefect:
    """How two runs of different steps differ where they have kept equally many weights.

    Attributes:
        groups: those that have weights in both.
        levels: the level of each run.
        on_logs: the largest `|ln d_i - ln d'_i|` over the largest `|ln d_i|`, `d` of the first run; None if refused.
        on_densities: the largest `|d_i / d'_i - 1|`; None likewise.
        ratios: `(g,)`, `d_i / d'_i`; None likewise.
        composes: whether densities differ by less than a tenth; None likewise.
        statement: what is measured, and what is not.
        refusals: in words.
    """

    groups: tuple[str, ...]
    levels: tuple[int, int] | None
    on_logs: float | None
    on_densities: float | None
    ratios: np.ndarray | None
    composes: bool | None
    statement: str
    refusals: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The defects as plain data, None where there is no number."""
        return {
            "levels": None if self.levels is None else list(self.levels),
            "on_logs": self.on_logs,
            "on_densities": self.on_densities,
            "ratios": None if self.ratios is None else dict(zip(self.groups, self.ratios.tolist(), strict=True)),
            "composes": self.composes,
            "statement": self.statement,
            "refusals": list(self.refusals),
        }


def semigroup_defect(first: Flow, second: Flow, *, within: float = 0.02) -> SemigroupDefect:
    """Whether several small steps do what fewer large ones do, at the sparsest density that both runs reach.

    Both defects are given, for they differ: on logarithms, relative to the largest of them, and on densities.

    Args:
        first: a run, usually that of the smaller steps.
        second: one of other steps, from the same weights.
        within: by how much the times of the two levels may differ, which is the relative difference of densities.

    Example:
        >>> def run(*counts):
        ...     counts = np.array(counts)
        ...     return Flow(("a", "b"), np.array([100, 100]), counts, 1.0 * counts, 1.0 * counts)
        >>> found = semigroup_defect(run([100, 100], [70, 90], [40, 60]), run([100, 100], [42, 58]))
        >>> round(found.on_densities, 3), found.levels, found.composes
        (0.048, (2, 1), True)
    """
    if problem := different_groups([first, second]) or collapsed([first, second]):
        return _refused(problem)
    apart = np.abs(first.time[:, None] - second.time[None, :])
    close = np.argwhere((apart <= within) & (first.time[:, None] > 0))
    if not len(close):
        return _refused("the runs reach no density in common but that of all weights")
    i, j = max(close.tolist(), key=lambda pair: (first.time[pair[0]], -apart[pair[0], pair[1]]))
    alive = (first.counts[i] > 0) & (second.counts[j] > 0)
    groups = tuple(name for name, living in zip(first.groups, alive, strict=True) if living)
    gone = [repr(name) for name, living in zip(first.groups, alive, strict=True) if not living]
    refusals = (f"left out, because they have no weights in one of the runs: {', '.join(gone)}",) if gone else ()
    if not groups:
        return _refused("no group has weights in both runs")
    d, other = first.densities[i][alive], second.densities[j][alive]
    largest = float(np.abs(np.log(d)).max())
    on_logs = float(np.abs(np.log(d / other)).max()) / largest if largest else 0.0
    on_densities = float(np.abs(d / other - 1).max())
    composes = on_densities < LIMIT and not gone
    return SemigroupDefect(groups, (i, j), on_logs, on_densities, d / other, composes, MARKOV, refusals)


def _refused(why: str) -> SemigroupDefect:
    return SemigroupDefect((), None, None, None, None, None, MARKOV, (why,))
