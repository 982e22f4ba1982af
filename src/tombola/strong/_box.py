"""The box of inputs: every coordinate between two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from tombola.rounding import gamma, upward

from ._generators import Generators


@dataclass(frozen=True)
class Box:
    """The inputs with every coordinate between its `low` and its `high`.

    Attributes:
        low: one number for all coordinates, or one for each; kept as a float or a tuple of floats.
        high: the same.

    Raises:
        ValueError: if a bound is not finite, `low` exceeds `high` anywhere, or the lengths differ.

    Example:
        >>> Box(0, 1).describe(784), Box([0.0, -1.0], [1.0, 1.0]).is_nonnegative()
        ('[0, 1]^784', False)
    """

    low: float | int | Sequence[float | int] | np.ndarray = 0.0
    high: float | int | Sequence[float | int] | np.ndarray = 1.0

    def __post_init__(self) -> None:
        low, high = (np.asarray(end, np.float64) for end in (self.low, self.high))
        if max(low.ndim, high.ndim) > 1 or (low.ndim == high.ndim == 1 and low.shape != high.shape):
            raise ValueError(f"the bounds of a box are numbers or vectors of one length, not {low.shape}, {high.shape}")
        if not (np.isfinite(low).all() and np.isfinite(high).all() and np.all(low <= high)):
            raise ValueError("a box wants finite bounds with low <= high in every coordinate")
        for name, end in (("low", low), ("high", high)):
            object.__setattr__(self, name, tuple(end.tolist()) if end.ndim else float(end))

    def bounds(self, size: int) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Lower and upper bounds of the coordinates, `(size,)` each.

        Raises:
            ValueError: if the box was given for another number of coordinates.
        """
        for end in (self.low, self.high):
            if isinstance(end, tuple) and len(end) != size:
                raise ValueError(f"this box has {len(end)} coordinates, and the network takes {size}")
        return np.full(size, self.low, np.float64), np.full(size, self.high, np.float64)

    def is_nonnegative(self) -> bool:
        """Whether no input has a negative coordinate."""
        return bool(np.min(self.low, initial=0) >= 0)

    def norm(self, size: int) -> float:
        """The largest 2-norm of an input of `size` coordinates."""
        return float(np.linalg.norm(np.maximum(*np.abs(self.bounds(size)))) * upward(size))

    def linear_range(
        self, positive: Float64[np.ndarray, "m n"], negative: Float64[np.ndarray, "m n"] | None = None
    ) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        """The least and the largest value of each row of a map over the set, exact up to an outward rounding.

        Args:
            positive: `(m, n)`, the map of the positive parts `max(x, 0)`.
            negative: `(m, n)`, the map of the negative parts `max(-x, 0)`; without it the map is linear.
        """
        low, high = self.bounds(positive.shape[1])
        negative = -positive if negative is None else negative
        ends = [np.where(end < 0, negative * -end, positive * end) for end in (low, high)]
        bottom, top = np.minimum(*ends), np.maximum(*ends)
        crossing = (low < 0) & (high > 0)  # there the map has its kink, of value 0, inside
        bottom[:, crossing] = np.minimum(bottom[:, crossing], 0)
        top[:, crossing] = np.maximum(top[:, crossing], 0)
        room = gamma(positive.shape[1] + 1)
        return bottom.sum(1) - room * np.abs(bottom).sum(1), top.sum(1) + room * np.abs(top).sum(1)

    def generators(self, size: int, *, signed: bool = False) -> Generators:
        """The box as one direction per coordinate; if `signed`, a box of all `(x, |x|)`, `2 * size` coordinates."""
        low, high = self.bounds(size)
        if signed:
            nearest = np.maximum(np.maximum(low, -high), 0)
            low, high = np.concatenate([low, nearest]), np.concatenate([high, np.maximum(-low, high)])
        centre = low + (high - low) / 2
        spread = np.where(high > low, np.nextafter(np.maximum(high - centre, centre - low), np.inf), 0.0)
        return Generators(centre, spread, np.arange(len(centre)))

    def sample(self, count: int, size: int, *, generator: torch.Generator) -> Float64[np.ndarray, "count n"]:
        """Inputs `(count, size)` drawn uniformly."""
        low, high = self.bounds(size)
        return low + (high - low) * torch.rand(count, size, dtype=torch.float64, generator=generator).numpy()

    def project(self, points: Float64[np.ndarray, "count n"]) -> Float64[np.ndarray, "count n"]:
        """The nearest input to each of `points`, `(count, n)`."""
        return np.clip(points, *self.bounds(points.shape[1]))

    def farthest(self, directions: Float64[np.ndarray, "count n"]) -> Float64[np.ndarray, "count n"]:
        """For each of `directions`, `(count, n)`, the corner with the largest inner product."""
        low, high = self.bounds(directions.shape[1])
        return np.where(directions > 0, high, low)

    def describe(self, size: int | None = None) -> str:
        """The set in a few characters; `size` gives the number of coordinates where the box does not know it."""
        low, high = np.unique(self.low), np.unique(self.high)
        known = [len(end) for end in (self.low, self.high) if isinstance(end, tuple)]
        count = known[0] if known else size or "n"
        if len(low) == len(high) == 1:
            return f"[{low[0]:g}, {high[0]:g}]^{count}"
        return f"a box in [{low.min(initial=0):g}, {high.max(initial=0):g}]^{count}"

    def to_json(self) -> dict[str, Any]:
        """The set as plain data; `input_set_from_json` takes it back."""
        low, high = (list(end) if isinstance(end, tuple) else end for end in (self.low, self.high))
        return {"kind": "box", "low": low, "high": high}
