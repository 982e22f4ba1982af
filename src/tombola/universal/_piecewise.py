"""Continuous piecewise-linear functions of one variable, as blocks of ReLUs realise them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tombola.rounding import gamma

NOISE = 2.0**-36  # 64 * 64 * 2**-53 * 16, and room


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """`offset + sum_j outer_j relu(inner_j x + bias_j)` on an interval, with a ReLU behind it or not.

    Attributes:
        inner: `(n,)` float64, the slopes of the hidden units.
        bias: `(n,)` their biases.
        outer: `(n,)` their weights in the output.
        offset: the output's own constant.
        low: lower end of the interval.
        high: upper end.
        relu: whether the output is cut off at 0.

    Example:
        >>> tent = PiecewiseLinear(np.array([1.0, 1.0]), np.array([0.0, -0.5]), np.array([2.0, -4.0]), 0.0, 0.0, 1.0)
        >>> tent(np.array([0.0, 0.5, 1.0])).tolist(), tent.breakpoints.tolist()
        ([0.0, 1.0, 0.0], [0.0, 0.5, 1.0])
    """

    inner: np.ndarray
    bias: np.ndarray
    outer: np.ndarray
    offset: float
    low: float
    high: float
    relu: bool = False

    @property
    def kinks(self) -> tuple[np.ndarray, np.ndarray]:
        """Where hidden units inside the interval switch, ascending, and by how much the slope changes there."""
        moving = self.inner != 0
        places = -self.bias[moving] / self.inner[moving]
        inside = (places > self.low) & (places < self.high)
        order = np.argsort(places[inside], kind="stable")
        changes = self.outer[moving][inside] * np.abs(self.inner[moving][inside])
        return places[inside][order], changes[order]

    @property
    def breakpoints(self) -> np.ndarray:
        """The ends of the interval, the kinks between them, and where a ReLU behind cuts off; ascending."""
        points = np.unique(np.concatenate([[self.low], self.kinks[0], [self.high]]))
        if not self.relu:
            return points
        values = self._sum(points)
        crossed = np.flatnonzero(values[:-1] * values[1:] < 0)
        left, right = points[crossed], points[crossed + 1]
        zeros = left + (right - left) * values[crossed] / (values[crossed] - values[crossed + 1])
        return np.unique(np.concatenate([points, zeros]))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The values at `(m,)` points, float64."""
        values = self._sum(x)
        return np.maximum(values, 0.0) if self.relu else values

    def _sum(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(np.multiply.outer(x, self.inner) + self.bias, 0.0) @ self.outer + self.offset

    def rounding(self) -> float:
        """What float64 can add to a value anywhere in the interval: to the sum, to rounded kinks, and to the weights.

        Weights are sums of at most 64 products of two values of the source, each at most 16 times as large as the
        largest weight.
        """
        units = np.abs(self.inner) * max(abs(self.low), abs(self.high)) + np.abs(self.bias)
        total = float(np.abs(self.outer) @ units) + abs(self.offset)
        sizes = max(1.0, float(np.abs(self.outer).max(initial=0.0)), abs(self.offset))
        return 2 * gamma(self.inner.size + 4) * total + NOISE * sizes * (1 + float(units.sum()))
