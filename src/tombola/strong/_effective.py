"""A layer of the target next to the layer that the ticket puts in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Integer


@dataclass(frozen=True, eq=False)
class EffectiveLayer:
    """One target layer and the effective weights of the ticket's layer, in float64.

    Every unit of the ticket's layer is a copy of one unit of the target's: its value should be nearly the same. All
    layers but the last are followed by a ReLU.

    Attributes:
        target: `(n, k)`, the weights of the target.
        ticket: `(m, k')`, the effective weights of the ticket, `k'` the units of the ticket's previous layer.
        target_bias: `(n,)`, or None for zeros.
        ticket_bias: `(m,)`, or None for zeros.
        owner: `(m,)`, the target unit that each ticket unit copies; None if `m = n` and unit `i` copies unit `i`.
        signed: only on a first layer whose two matrices act on `(max(x, 0), max(-x, 0))`; see `split_signs`.

    Raises:
        ValueError: if a shape does not fit or an entry is not finite.

    Example:
        >>> layer = EffectiveLayer(np.eye(2), np.array([[1.0, 0.0], [0.9, 0.0], [0.0, 1.1]]), owner=np.array([0, 0, 1]))
        >>> (layer.ticket - layer.target[layer.owner]).round(1).tolist()
        [[0.0, 0.0], [-0.1, 0.0], [0.0, 0.1]]
    """

    target: Float64[np.ndarray, "n k"]
    ticket: Float64[np.ndarray, "m kk"]
    target_bias: Float64[np.ndarray, " _"] | None = None
    ticket_bias: Float64[np.ndarray, " _"] | None = None
    owner: Integer[np.ndarray, " _"] | None = None
    signed: bool = False

    def __post_init__(self) -> None:
        n, m = len(self.target), len(self.ticket)
        if self.owner is None and m != n:
            raise ValueError(f"{m} ticket units for {n} target units: say with owner which copies which")
        owner = np.arange(m) if self.owner is None else np.asarray(self.owner, np.int64)
        if owner.shape != (m,) or (m and (owner.min() < 0 or owner.max() >= n)):
            raise ValueError(f"owner wants one unit of the {n} of the target for each of the {m} of the ticket")
        object.__setattr__(self, "owner", owner)
        for name, bias, size in (("target", self.target_bias, n), ("ticket", self.ticket_bias, m)):
            if bias is not None and bias.shape != (size,):
                raise ValueError(f"{name}_bias wants shape ({size},), not {bias.shape}")
        parts = (self.target, self.ticket, self.target_bias, self.ticket_bias)
        if not all(part is None or np.isfinite(part).all() for part in parts):
            raise ValueError("weights and biases have to be finite")

    @property
    def owners(self) -> Integer[np.ndarray, " m"]:
        """The target unit that each ticket unit copies, `(m,)`."""
        assert self.owner is not None
        return self.owner

    @property
    def has_bias(self) -> bool:
        """Whether target or ticket has a bias here."""
        return self.target_bias is not None or self.ticket_bias is not None


def split_signs(
    target: Float64[np.ndarray, "n k"],
    positive: Float64[np.ndarray, "m k"],
    negative: Float64[np.ndarray, "m k"],
    *,
    target_bias: Float64[np.ndarray, " n"] | None = None,
    ticket_bias: Float64[np.ndarray, " m"] | None = None,
    owner: Integer[np.ndarray, " m"] | None = None,
) -> EffectiveLayer:
    """The first layer of a ticket that treats the two signs of its input apart, as a layer on `(x+, x-)`.

    With `x = x+ - x-` the target is `[W, -W]` and the ticket `[A+, -A-]` there.

    Args:
        target: `(n, k)`, W.
        positive: `(m, k)`, A+, the effective weights where a coordinate is positive.
        negative: `(m, k)`, A-, those where it is negative: the ticket's value is `A+ x+ - A- x-`.
        target_bias: `(n,)`.
        ticket_bias: `(m,)`.
        owner: `(m,)`, as in `EffectiveLayer`.

    Example:
        >>> split_signs(np.eye(1), np.array([[1.1]]), np.array([[0.9]])).ticket
        array([[ 1.1, -0.9]])
    """
    return EffectiveLayer(
        np.concatenate([target, -target], axis=1),
        np.concatenate([positive, -negative], axis=1),
        target_bias=target_bias,
        ticket_bias=ticket_bias,
        owner=owner,
        signed=True,
    )


def checked_layers(layers: Sequence[EffectiveLayer]) -> tuple[EffectiveLayer, ...]:
    """The layers, if they follow each other.

    Raises:
        ValueError: if there is none, widths do not meet, a later layer is signed, or the outputs are not in order.
    """
    layers = tuple(layers)
    if not layers:
        raise ValueError("a network wants at least one layer")
    first, last = layers[0], layers[-1]
    if first.target.shape[1] != first.ticket.shape[1] or (first.signed and first.target.shape[1] % 2):
        raise ValueError("in the first layer target and ticket want the same inputs; twice as many if signed")
    for index, (before, layer) in enumerate(pairwise(layers), start=1):
        widths = (layer.target.shape[1], layer.ticket.shape[1])
        if widths != (len(before.target), len(before.ticket)):
            raise ValueError(
                f"layer {index} takes {widths} units of target and ticket, and the layer before it has "
                f"{len(before.target)} and {len(before.ticket)}"
            )
        if layer.signed:
            raise ValueError(f"layer {index} is signed; only the first layer sees inputs of both signs")
    if not np.array_equal(last.owners, np.arange(len(last.target))):
        raise ValueError("the last layer wants one copy of each output, in order")
    return layers


def input_size(layers: Sequence[EffectiveLayer]) -> int:
    """The number of coordinates of an input."""
    return layers[0].target.shape[1] // (1 + layers[0].signed)


def output_errors(
    layers: Sequence[EffectiveLayer], points: Float64[np.ndarray, "count n"]
) -> Float64[np.ndarray, " count"]:
    """The 2-norm of ticket's output minus target's output at each of `points`, `(count,)`, computed in float64.

    Args:
        layers: the network, `layers[0].signed` included.
        points: `(count, n)`, inputs `x` (not split by sign).

    Example:
        >>> output_errors([EffectiveLayer(np.eye(1), np.array([[1.5]]))], np.array([[2.0]]))
        array([1.])
    """
    if layers[0].signed:
        points = np.concatenate([np.maximum(points, 0), np.maximum(-points, 0)], axis=1)
    target = ticket = points
    for index, layer in enumerate(layers):
        target = target @ layer.target.T + (0 if layer.target_bias is None else layer.target_bias)
        ticket = ticket @ layer.ticket.T + (0 if layer.ticket_bias is None else layer.ticket_bias)
        if index + 1 < len(layers):
            target, ticket = np.maximum(target, 0), np.maximum(ticket, 0)
    return np.linalg.norm(ticket - target, axis=1)
