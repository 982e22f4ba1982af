r"""Activations near zero: the slopes and the offset by which a hidden unit passes a number on.

A hidden unit with the one input edge `u` computes `phi(u x)`. It passes `x` on as well as `phi` is close to

\[\hat\varphi(z) = d + m_+ \max(z, 0) - m_- \max(-z, 0),\]

with slopes that do not cancel. Where `phi` is curved, the edge has to be small: `|phi(z) - phihat(z)|` is at most
`curvature * |z| ** power`.

[Burkholz2022] Burkholz, "Most activation functions can win the lottery without excessive depth", NeurIPS 2022. The
condition on activations is re-derived from that paper's setting; the constants of the table are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .graph import ACTIVATIONS

PROBES, FARTHEST = 2001, 1.0  # where a claim about a function is tried out
SLACK = 1e-12
NUMBERS = ("above", "below", "offset", "curvature", "power")


@dataclass(frozen=True)
class Activation:
    """An activation of the extra source layer, with what is known of it near zero.

    Give `function` and the numbers for one of your own; the numbers are tried out on [-1, 1] and believed elsewhere.

    Attributes:
        name: one of `graph.ACTIVATIONS`, or a name of your own.
        above: slope for small positive arguments.
        below: slope for small negative arguments.
        offset: value at 0.
        curvature: `|phi(z) - phihat(z)| <= curvature * |z| ** power`; 0 for a piecewise linear function.
        power: see there; above 1.
        settings: of a named activation, as `graph.Node` has them.
        function: what it computes; None for a named one.

    Raises:
        ValueError: if the slopes cancel, or a probe contradicts the numbers.

    Example:
        >>> Activation("absolute value", above=1.0, below=-1.0, function=torch.abs)
        Traceback (most recent call last):
        ValueError: 'absolute value' has slopes 1 and -1 next to 0 that cancel: it cannot tell x from -x
    """

    name: str
    above: float
    below: float
    offset: float = 0.0
    curvature: float = 0.0
    power: float = 2.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    function: Callable[[Tensor], Tensor] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not all(math.isfinite(getattr(self, name)) for name in NUMBERS) or self.curvature < 0 or self.power <= 1:
            raise ValueError(f"{self.name!r} wants finite numbers, a curvature >= 0 and a power above 1")
        if self.above + self.below == 0:
            slopes = f"slopes {self.above:g} and {self.below:g} next to 0 that cancel"
            raise ValueError(f"{self.name!r} has {slopes}: it cannot tell x from -x")
        if self.name not in ACTIVATIONS and self.function is None:
            return  # one from a file, whose function the reader of the file has to give
        z = torch.linspace(-FARTHEST, FARTHEST, PROBES, dtype=torch.float64)
        z = torch.cat([z, 1e-2 * z, 1e-4 * z])
        excess = (self(z) - self.straight(z)).abs() - self.curvature * z.abs() ** self.power
        if float(excess.max()) > SLACK:
            worst = float(z[excess.argmax()])
            raise ValueError(f"{self.name!r} is farther from its slopes than its curvature allows, at {worst:.3g}")

    @property
    def linear(self) -> bool:
        """Whether both slopes are the same, so that one sum serves inputs of both signs."""
        return self.above == self.below

    @property
    def exact(self) -> bool:
        """Whether it is piecewise linear, with its one kink at 0."""
        return self.curvature == 0

    def __call__(self, z: Tensor) -> Tensor:
        """The real function."""
        with torch.no_grad():
            return self.module()(z)

    def straight(self, z: Tensor) -> Tensor:
        """What it is close to near 0."""
        return self.offset + self.above * z.clamp(min=0) + self.below * z.clamp(max=0)

    def radius(self, residual: float) -> float:
        """How large an argument may be for the function to stay within a residual of its straight form.

        Example:
            >>> round(activation("tanh").radius(1e-3), 4)  # (3e-3) ** (1 / 3)
            0.1442
        """
        return math.inf if self.exact else (residual / self.curvature) ** (1 / self.power)

    def module(self) -> nn.Module:
        """The function as a module.

        Raises:
            ValueError: if it came from a file that only names it.
        """
        if self.name in ACTIVATIONS:
            return ACTIVATIONS[self.name](self.settings)
        if self.function is None:
            raise ValueError(f"what {self.name!r} computes is not in the file; pass it, as activations={{...}}")
        return Applied(self.function)

    def to_json(self) -> dict[str, Any]:
        """The activation as plain data, without a function of one's own."""
        return {"name": self.name, "settings": dict(self.settings)} | {name: getattr(self, name) for name in NUMBERS}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Activation:
        """The activation that `to_json` wrote.

        Raises:
            ValueError: if a named activation has other numbers than its own, or none has these.
        """
        if data["name"] not in ACTIVATIONS:
            return cls(data["name"], *(float(data[name]) for name in NUMBERS), settings=data["settings"])
        settings = data["settings"]
        (argument,) = settings.values() if len(settings) == 1 else (None,)
        found = activation(data["name"], argument if isinstance(argument, float) else None)
        if found.to_json() != dict(data):
            raise ValueError(f"{data['name']!r} has other slopes than {dict(data)}")
        return found


class Applied(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        """The function of every entry."""
        return self._function(x)


def activation(name: str, parameter: float | None = None) -> Activation:
    """A named activation with its slopes, offset and curvature at 0.

    Args:
        name: relu, leaky_relu, tanh, sigmoid, softplus, silu, gelu, elu or softsign; hyphens will do.
        parameter: slope of leaky_relu (default 0.01), or alpha of elu (default 1).

    Raises:
        ValueError: for another name, or a parameter that the function does not take.

    Example:
        >>> found = activation("sigmoid")
        >>> found.above, found.below, found.offset
        (0.25, 0.25, 0.5)
    """
    known = name.replace("-", "_")
    if known not in TABLE:
        raise ValueError(f"unknown activation {name!r}; known are {', '.join(TABLE)}")
    if parameter is not None and known not in {"leaky_relu", "elu"}:
        raise ValueError(f"{name} takes no parameter, got {parameter}")
    return TABLE[known](parameter)


def parse_activation(text: str) -> Activation:
    """The activation in a text such as `tanh` or `leaky-relu:0.1`.

    Raises:
        ValueError: as `activation` does, or if the parameter is no number.

    Example:
        >>> parse_activation("leaky-relu:0.1").below
        0.1
    """
    name, colon, parameter = text.partition(":")
    try:
        return activation(name, float(parameter) if colon else None)
    except ValueError as error:
        if "could not convert" in str(error):
            raise ValueError(f"the parameter of an activation is a number, got {parameter!r}") from None
        raise


def _leaky(slope: float | None) -> Activation:
    below = 0.01 if slope is None else slope
    return Activation("leaky_relu", 1.0, below, settings={"slope": below})


def _elu(alpha: float | None) -> Activation:
    below = 1.0 if alpha is None else alpha
    return Activation("elu", 1.0, below, curvature=abs(below) / 2, settings={"alpha": below})


SOFTPLUS = {"beta": 1.0, "threshold": 20.0}
RELU = Activation("relu", 1.0, 0.0)
TABLE: dict[str, Callable[[float | None], Activation]] = {
    "relu": lambda _: RELU,
    "leaky_relu": _leaky,
    "tanh": lambda _: Activation("tanh", 1.0, 1.0, curvature=1 / 3, power=3.0),
    "sigmoid": lambda _: Activation("sigmoid", 0.25, 0.25, 0.5, curvature=1 / 48, power=3.0),
    "softplus": lambda _: Activation("softplus", 0.5, 0.5, math.log(2), curvature=1 / 8, settings=SOFTPLUS),
    "silu": lambda _: Activation("silu", 0.5, 0.5, curvature=1 / 4),
    "gelu": lambda _: Activation(
        "gelu", 0.5, 0.5, curvature=1 / math.sqrt(2 * math.pi), settings={"approximate": "none"}
    ),
    "elu": _elu,
    "softsign": lambda _: Activation("softsign", 1.0, 1.0, curvature=1.0),
}
