"""The ball of inputs, whole or only its non-negative part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64

from tombola.rounding import upward

from ._generators import Generators

INWARD = 1 - 1e-15  # keeps rounded points inside
TINY = 1e-300


@dataclass(frozen=True)
class Ball:
    """The inputs of 2-norm at most `radius`, of any number of coordinates; only those `>= 0` if `nonnegative`.

    Raises:
        ValueError: if the radius is negative or not finite.

    Example:
        >>> Ball(2.0, nonnegative=True).describe()
        'x >= 0, ||x|| <= 2'
        >>> row = np.array([[3.0, -4.0]])
        >>> [high.round(6).item() for _, high in (Ball().linear_range(row), Ball(1, True).linear_range(row))]
        [5.0, 3.0]
    """

    radius: float | int = 1.0
    nonnegative: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.radius) and self.radius >= 0):
            raise ValueError(f"the radius of a ball is a finite number >= 0, not {self.radius}")

    def bounds(self, size: int) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
        """Lower and upper bounds of the coordinates, `(size,)` each."""
        high = np.full(size, float(self.radius))
        return (np.zeros(size) if self.nonnegative else -high), high

    def is_nonnegative(self) -> bool:
        """Whether no input has a negative coordinate."""
        return self.nonnegative

    def norm(self, size: int) -> float:
        """The largest 2-norm of an input of `size` coordinates."""
        return float(self.radius) if size else 0.0

    def linear_range(
        self, positive: Float64[np.ndarray, "m n"], negative: Float64[np.ndarray, "m n"] | None = None
    ) -> tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        """The least and the largest value of each row of a map over the set, exact up to an outward rounding.

        Args:
            positive: `(m, n)`, the map of the positive parts `max(x, 0)`.
            negative: `(m, n)`, the map of the negative parts `max(-x, 0)`; without it the map is linear.
        """
        gains = [self._gain(sign * positive, None if negative is None else sign * negative) for sign in (-1, 1)]
        low, high = (np.linalg.norm(gain, axis=1) * self.radius * upward(gain.shape[1] + 2) for gain in gains)
        return -low, high

    def _gain(self, positive: np.ndarray, negative: np.ndarray | None) -> np.ndarray:
        """What a coordinate of modulus 1 can add, `(m, n)`."""
        if self.nonnegative:
            return np.maximum(positive, 0)
        return np.abs(positive) if negative is None else np.maximum(np.maximum(positive, negative), 0)

    def generators(self, size: int, *, signed: bool = False) -> Generators:
        """The ball as one group of directions; if `signed`, a set that holds all `(x, |x|)`, `2 * size` coordinates."""
        groups = 1 + signed
        total = size * groups
        return Generators(np.zeros(total), np.full(total, float(self.radius)), np.repeat(np.arange(groups), size))

    def sample(self, count: int, size: int, *, generator: torch.Generator) -> Float64[np.ndarray, "count n"]:
        """Inputs `(count, size)` drawn uniformly."""
        draws = torch.randn(count, size, dtype=torch.float64, generator=generator).numpy()
        reach = torch.rand(count, 1, dtype=torch.float64, generator=generator).numpy() ** (1 / max(size, 1))
        return self.farthest(np.abs(draws) if self.nonnegative else draws) * reach

    def project(self, points: Float64[np.ndarray, "count n"]) -> Float64[np.ndarray, "count n"]:
        """The nearest input to each of `points`, `(count, n)`."""
        points = np.maximum(points, 0) if self.nonnegative else points
        norms = np.linalg.norm(points, axis=1, keepdims=True)
        return points * np.minimum(1, self.radius * INWARD / np.maximum(norms, TINY))

    def farthest(self, directions: Float64[np.ndarray, "count n"]) -> Float64[np.ndarray, "count n"]:
        """For each of `directions`, `(count, n)`, the input with the largest inner product; 0 where none is > 0."""
        directions = np.maximum(directions, 0) if self.nonnegative else directions
        norms = np.linalg.norm(directions, axis=1, keepdims=True)
        return directions * (self.radius * INWARD / np.maximum(norms, TINY))

    def describe(self, size: int | None = None) -> str:
        """The set in a few characters; `size`, the number of coordinates, does not show."""
        return f"{'x >= 0, ' if self.nonnegative else ''}||x|| <= {self.radius:g}"

    def to_json(self) -> dict[str, Any]:
        """The set as plain data; `input_set_from_json` takes it back."""
        return {"kind": "ball", "radius": float(self.radius), "nonnegative": self.nonnegative}
