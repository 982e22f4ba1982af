"""A family of functions, as the features whose linear combinations they are."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._knots import knots_needed
from ._step import Linear, Step


@dataclass(frozen=True, eq=False)
class Family:
    """Features of inputs in `[0, 1]^d`, and the network that computes them exactly but for its blocks' knots.

    Attributes:
        name: "polynomial", "fourier", "chebyshev", "legendre", "hat" or "custom".
        dimension: how many inputs.
        tolerance: the largest error wanted of any feature, over the box.
        settings: what else the family was made from, as plain data.
        steps: a network: blocks with one channel, one affine map and blocks with one channel behind it; or one block.
        label: the name of every feature, from the names of the inputs.
    """

    name: str
    dimension: int
    tolerance: float
    settings: dict[str, Any]
    steps: tuple[Step, ...]
    label: Callable[[Sequence[str]], list[str]] = field(repr=False)

    @property
    def features(self) -> int:
        """How many features."""
        sizes = [self.dimension]
        for step in self.steps:
            sizes.append(len(step.weight) if isinstance(step, Linear) else sizes[-1] * len(step.functions))
        return sizes[-1]

    def exact(self, x: np.ndarray) -> np.ndarray:
        """The features `(n, features)` float64 themselves, without any network, at inputs `(n, d)` in the box."""
        values = np.asarray(x, np.float64)
        for step in self.steps:
            if isinstance(step, Linear):
                values = values @ step.weight.T + (0.0 if step.bias is None else step.bias)
            else:
                values = np.concatenate([function.value(values) for function in step.functions], axis=1)
        return values

    def plan(self) -> list[dict[str, Any]]:
        """What a network with chords for blocks needs, step by step; a ticket's broken lines have fewer knots.

        Returns:
            For a block: its `tolerance`, the `knots` that every channel is proved to need, and its `parameters`,
            `3 n + 1` for each channel. For the affine map: the `tolerance` of a weight, and its `parameters` that are
            not 0.

        Example:
            >>> from tombola.universal import polynomial
            >>> [(step["name"], step["parameters"]) for step in polynomial(2, 2, tolerance=1e-2).plan()]
            [('log', 19), ('exponents', 6), ('exp', 22)]
        """
        rows = []
        for step in self.steps:
            row: dict[str, Any] = {"name": step.name, "tolerance": step.tolerance}
            if isinstance(step, Linear):
                biases = 0 if step.bias is None else int((step.bias != 0).sum())
                row["parameters"] = int((step.weight != 0).sum()) + biases
            else:
                row["knots"] = [knots_needed(function, step.tolerance) for function in step.functions]
                row["parameters"] = sum(3 * knots + 1 for knots in row["knots"])
            rows.append(row)
        return rows

    def to_json(self) -> dict[str, Any]:
        """The family as plain data."""
        whole = {"name": self.name, "dimension": self.dimension, "tolerance": self.tolerance}
        return whole | {"settings": self.settings, "features": self.features}


def split(tolerance: float, integrals: Sequence[float], factors: Sequence[float]) -> list[float]:
    """The errors of blocks that cost fewest knots, if `factor` times each adds up to a tolerance.

    A block with the error E takes about `integral / sqrt(16 E)` knots, with the integral of sqrt|g''|.

    Example:
        >>> [round(error, 3) for error in split(1.0, [1.0, 8.0], [1.0, 1.0])]
        [0.2, 0.8]
    """
    shares = [(one / factor) ** (2 / 3) for one, factor in zip(integrals, factors, strict=True)]
    whole = sum(factor * share for factor, share in zip(factors, shares, strict=True))
    return [tolerance * share / whole for share in shares]


def checked(name: str, value: object, least: int) -> int:
    """An integer of at least so much.

    Raises:
        ValueError: for anything else.

    Example:
        >>> checked("degree", 0, 1)
        Traceback (most recent call last):
        ValueError: degree must be an integer of at least 1, got 0
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what is no integer raises
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return number


def checked_tolerance(tolerance: float) -> float:
    """A tolerance as a float.

    Raises:
        ValueError: unless it lies between 1e-6 and 1.
    """
    if not 1e-6 <= tolerance <= 1:
        raise ValueError(f"tolerance must lie between 1e-6 and 1, got {tolerance}")
    return float(tolerance)


def per_channel(names: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Names of the features of a block with several channels: `label(input)`, channel by channel.

    Example:
        >>> per_channel(["x0", "x1"], ["T1", "T2"])
        ['T1(x0)', 'T1(x1)', 'T2(x0)', 'T2(x1)']
    """
    return [f"{label}({name})" for label in labels for name in names]
