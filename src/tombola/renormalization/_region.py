"""Whether levels lie where steps compose and networks stay in one valley, so that exponents mean more than slopes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tombola.imp import Barrier

from ._defects import SemigroupDefect

HIGHEST = 0.02  # barrier, as a fraction of examples


@dataclass(frozen=True)
class LinearRegion:
    """Two gates that levels of a window have to pass; exponents fitted outside are descriptions.

    Attributes:
        is_inside: whether both gates are passed; False if one is not, None if one is not known and none has failed.
        semigroup: the largest relative difference of densities between steps and larger steps; None if not known.
        barrier: the highest barrier from a level to the next; None if not known.
        error: the largest error at a level. Near that of guessing, barriers are low for nothing.
        refusals: in words.
    """

    is_inside: bool | None
    semigroup: float | None
    barrier: float | None
    error: float | None
    refusals: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The gates as plain data, None where there is no number."""
        return {
            "is_inside": self.is_inside,
            "semigroup": self.semigroup,
            "barrier": self.barrier,
            "error": self.error,
            "refusals": list(self.refusals),
        }


def linear_region(*, defects: Sequence[SemigroupDefect] = (), barriers: Sequence[Barrier] = ()) -> LinearRegion:
    """Whether semigroup defects on densities are below a tenth, and barriers from level to level below 2 %.

    Both limits are conventions: of the second [Frankle2020] take it for the sign of one valley. The worst of all runs
    counts. A defect in which a group has vanished fails.

    Args:
        defects: of each run and one of larger steps.
        barriers: of trained networks at successive levels of the window, of all runs; `tombola.imp.barrier`.

    Example:
        >>> import numpy as np
        >>> line = np.linspace(0, 1, 3)
        >>> found = linear_region(barriers=[Barrier(line, np.array([0.05, 0.09, 0.05]))])
        >>> found.is_inside, round(found.barrier, 3), found.refusals
        (False, 0.04, ('no runs of larger steps: whether steps compose is not known',))
    """
    known = [defect for defect in defects if defect.on_densities is not None]
    semigroup = max((defect.on_densities for defect in known if defect.on_densities is not None), default=None)
    height = max((one.height for one in barriers), default=None)
    error = max((float(max(one.errors[0], one.errors[-1])) for one in barriers), default=None)
    said = [line for defect in defects for line in defect.refusals]
    if semigroup is None:
        said.append("no runs of larger steps: whether steps compose is not known")
    if height is None:
        said.append("no barriers: whether levels lie in one valley is not known")
    failed = not all(defect.composes for defect in known) or (height is not None and height >= HIGHEST)
    unknown = semigroup is None or height is None
    inside = False if failed else None if unknown else True
    return LinearRegion(inside, semigroup, height, error, tuple(dict.fromkeys(said)))
