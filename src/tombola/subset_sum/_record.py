"""The record that every solver returns: which candidates, what they sum to, how far off that is, and how sure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float64, Int


@dataclass(frozen=True, eq=False)
class SubsetSums:
    """One chosen subset per target. Arrays are NumPy's or tensors, as the candidates were.

    Attributes:
        selection: `(m, n)`; which candidates the subset of each target holds.
        value: `(m,)`; the selected candidates, added in float64 in ascending order of index.
        error: `(m,)`; |target - value|, in the unit of the targets.
        met: `(m,)`; whether `error <= epsilon`. A target that is missed is data, not an exception.
        proved: `(m,)`; whether the subset is the optimum of what the solver minimises, up to the rounding that the
            solver documents. Where it is False the subset is the best of those that were looked at.
    """

    selection: Bool[Any, "m n"]
    value: Float64[Any, " m"]
    error: Float64[Any, " m"]
    met: Bool[Any, " m"]
    proved: Bool[Any, " m"]

    @property
    def size(self) -> Int[Any, " m"]:
        """How many candidates each subset holds, `(m,)`."""
        return self.selection.sum(1)

    @property
    def failures(self) -> int:
        """How many targets were missed by more than the tolerance."""
        return int((~self.met).sum())

    def __len__(self) -> int:
        return len(self.value)
