"""The certificate of a strong ticket: how far its output can be from its target's, over a whole set of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._difference import difference
from ._effective import EffectiveLayer
from ._input_sets import InputSet, input_set_from_json
from ._interval import interval_bound
from ._parts import blocks
from ._slope import slope_bound
from ._spectral import spectral_bound

NUMBERS = ("bound", "spectral", "interval", "residual")
OPTIONAL = ("slope", "attack")  # None where nobody looked for them
SEQUENCES = ("per_layer", "amplification")


@dataclass(frozen=True)
class Certificate:
    """Proved upper bounds of the 2-norm of ticket's output minus target's output, over all inputs of a set.

    Attributes:
        input_set: the set.
        bound: the least of the three that follow, or of the two that are there, plus the residual.
        spectral: by the norms of the layers, one after the other.
        slope: by the slopes of all ReLUs together; None for a network so large that this would cost more than all else.
        interval: by intervals.
        per_layer: what each layer's own weight errors contribute to `spectral`; they sum to it. A layer with a large
            share is the one to construct with a smaller tolerance.
        amplification: per layer, the largest row sum of moduli in the ticket over that in the target. 1 for a ticket
            that sees every unit once; more where a weight is put together from several noisy copies of a unit.
        residual: what the curvature of hidden units adds to the error; 0 where they are piecewise linear.
        attack: the largest error found by searching for a bad input, a lower bound of what `bound` bounds from above;
            None if nobody searched.
    """

    input_set: InputSet
    bound: float
    spectral: float
    slope: float | None
    interval: float
    per_layer: tuple[float, ...]
    amplification: tuple[float, ...]
    attack: float | None = None
    residual: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The certificate as plain data; `from_json` takes it back."""
        numbers = {name: getattr(self, name) for name in (*NUMBERS, *OPTIONAL)}
        sequences = {name: list(getattr(self, name)) for name in SEQUENCES}
        return {"input_set": self.input_set.to_json(), **numbers, **sequences}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Certificate:
        """The certificate that `to_json` wrote.

        Raises:
            ValueError: if a field is missing, unknown, or not of its kind.
        """
        expected = {"input_set", *NUMBERS, *OPTIONAL, *SEQUENCES}
        if set(data) != expected:
            raise ValueError(f"a certificate has the fields {sorted(expected)}, not {sorted(data)}")
        bound, spectral, interval, residual = (float(data[name]) for name in NUMBERS)
        slope, attack = (None if data[name] is None else float(data[name]) for name in OPTIONAL)
        per_layer, amplification = (tuple(map(float, data[name])) for name in SEQUENCES)
        input_set = input_set_from_json(data["input_set"])
        return cls(input_set, bound, spectral, slope, interval, per_layer, amplification, attack, residual)


def certificate(
    layers: Sequence[EffectiveLayer], input_set: InputSet, *, slope_steps: int = 60, attack: float | None = None
) -> Certificate:
    """A proved upper bound of `||ticket(x) - target(x)||_2` over all `x` of a set, the least of three.

    The guarantee is exact: for the effective weights as the float64 numbers that they are, all rounding errors of the
    computation included, underflow aside. How tight it is depends on the network; for 784-500-10 and weight errors
    within .01 the bound is about three times the largest error that an attack finds. On large networks (two
    hidden layers of more than about 1600 units) the slope bound, as a rule the tightest, is left out, and the bound is
    about twice as large. What is left costs O(m n k) time for an m by n layer, `k = min(m, n)`, and memory for the
    target once more and one k by k matrix.

    Args:
        layers: target and effective weights, layer by layer. Biases, copies and the two signs of an input are handled.
        input_set: a `Ball`, a `Box`, or either `Pinned` to a constant last coordinate.
        slope_steps: effort of the slope bound, see there; every value gives a valid bound. 60 is enough.
        attack: the largest error known, to be kept in the certificate.

    Raises:
        ValueError: if the layers do not fit together, the set has another number of coordinates, or the first layer
            sees one sign only and the set holds negative inputs.

    Example:
        >>> from tombola.strong import Ball
        >>> target, ticket = np.array([[1.0, -1.0]]), np.array([[1.1, -1.0]])
        >>> layers = [EffectiveLayer(target, ticket), EffectiveLayer(np.eye(1), np.eye(1))]
        >>> found = certificate(layers, Ball(nonnegative=True))  # the worst input is (1, 0)
        >>> round(found.bound, 6), found.input_set.describe()
        (0.1, 'x >= 0, ||x|| <= 1')
    """
    problem = difference(layers, input_set)
    interval, activities = interval_bound(problem)
    spectral = spectral_bound(problem, activities)
    slope = slope_bound(problem, activities, spectral.reach, steps=slope_steps)
    amplification = tuple(_row_sum(layer.ticket) / (_row_sum(layer.target) or 1.0) for layer in layers)
    bound = min(found for found in (spectral.bound, slope, interval) if found is not None)
    return Certificate(input_set, bound, spectral.bound, slope, interval, spectral.contributions, amplification, attack)


def _row_sum(matrix: np.ndarray) -> float:
    return max(float(np.abs(rows).sum(axis=1).max(initial=0.0)) for rows in blocks(matrix))
