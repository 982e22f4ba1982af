"""A set of inputs with one more coordinate that never moves: the constant that carries the biases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from tombola.rounding import gamma, upward

from ._ball import Ball
from ._box import Box
from ._generators import Generators


@dataclass(frozen=True)
class Pinned:
    """The inputs `(x, value)` with `x` in `inner`: a last coordinate of constant value.

    Raises:
        ValueError: if the value is not finite.

    Example:
        >>> Pinned(Ball()).bounds(3)
        (array([-1., -1.,  1.]), array([1., 1., 1.]))
    """

    inner: Ball | Box
    value: float | int = 1.0

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise ValueError(f"the constant coordinate wants a finite value, not {self.value}")

    def bounds(self, size: int) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Lower and upper bounds of the coordinates, `(size,)` each."""
        low, high = self.inner.bounds(size - 1)
        return np.append(low, self.value), np.append(high, self.value)

    def is_nonnegative(self) -> bool:
        """Whether no input has a negative coordinate."""
        return self.inner.is_nonnegative() and self.value >= 0

    def norm(self, size: int) -> float:
        """The largest 2-norm of an input of `size` coordinates, the constant one among them."""
        return float(np.hypot(self.inner.norm(size - 1), self.value) * upward(2))

    def linear_range(
        self, positive: Float64[np.ndarray, "m n"], negative: Float64[np.ndarray, "m n"] | None = None
    ) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        """The least and the largest value of each row of a map over the set, exact up to an outward rounding.

        Args:
            positive: `(m, n)`, the map of the positive parts `max(x, 0)`.
            negative: `(m, n)`, the map of the negative parts `max(-x, 0)`; without it the map is linear.
        """
        rest = (positive[:, :-1], None if negative is None else negative[:, :-1])
        low, high = self.inner.linear_range(*rest)
        flipped = self.value < 0 and negative is not None
        shift = negative[:, -1] * -self.value if flipped and negative is not None else positive[:, -1] * self.value
        room = gamma(3) * np.abs((low, high, shift)).sum(axis=0)
        return low + shift - room, high + shift + room

    def generators(self, size: int, *, signed: bool = False) -> Generators:
        """The set as centre and groups; if `signed`, a set that holds all `(x, |x|)`, `2 * size` coordinates."""
        inner = self.inner.generators(size - 1, signed=signed)
        places = np.arange(1, 1 + signed + 1) * (size - 1)
        values = [float(self.value), abs(float(self.value))][: 1 + signed]
        return Generators(
            np.insert(inner.centre, places, values),
            np.insert(inner.spread, places, 0.0),
            np.insert(inner.group, places, 0),
        )

    def sample(self, count: int, size: int, *, generator: torch.Generator) -> Float64[np.ndarray, "count n"]:
        """Inputs `(count, size)`, drawn uniformly but for the constant."""
        return self._pin(self.inner.sample(count, size - 1, generator=generator))

    def project(self, points: Float64[np.ndarray, "count n"]) -> Float64[np.ndarray, "count n"]:
        """The nearest input to each of `points`, `(count, n)`."""
        return self._pin(self.inner.project(points[:, :-1]))

    def farthest(self, directions: Float64[np.ndarray, "count n"]) -> Float64[np.ndarray, "count n"]:
        """For each of `directions`, `(count, n)`, the input with the largest inner product."""
        return self._pin(self.inner.farthest(directions[:, :-1]))

    def _pin(self, points: np.ndarray) -> np.ndarray:
        """The points with the constant coordinate at their end."""
        return np.pad(points, ((0, 0), (0, 1)), constant_values=float(self.value))

    def describe(self, size: int | None = None) -> str:
        """The set in a few characters, the constant coordinate left out."""
        return self.inner.describe(None if size is None else size - 1)

    def to_json(self) -> dict[str, Any]:
        """The set as plain data; `input_set_from_json` takes it back."""
        return {"kind": "pinned", "inner": self.inner.to_json(), "value": float(self.value)}
