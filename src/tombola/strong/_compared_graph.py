"""A target graph next to the ticket that stands for it, layer by layer and as two networks in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tombola.effective import EffectiveMaps
from tombola.graph import AffineLayer, Graph, Node, Window, affine, as_filters, operation, traverse

from ._layer import TargetLayer

Side = Literal["target", "ticket"]


@dataclass(frozen=True, eq=False)
class Wide:
    """How the units of a ticket's layer differ from the channels of the target's, where it has copies of these.

    Attributes:
        owner: `(units,)` int64, the channel that each unit is a copy of; 0 for what is none, with zeros for weights.
        gap: what a unit's weights, summed over copies of each input, differ by from those of the channel.
        bias_gap: `(units,)`, the same for biases.
        rounding: bounds the sum of the moduli of all rounding errors in the two.
        copied: whether its inputs are copies, too, and then of any sign.
    """

    owner: Tensor
    gap: Tensor
    bias_gap: Tensor
    rounding: float
    copied: bool


@dataclass(frozen=True, eq=False)
class ComparedLayer:
    """A layer of the target and what the ticket has in its place, float64.

    Weights are `(outputs, inputs)`, or `(outputs, inputs, *taps)` where there is a window; biases `(outputs,)`.

    Attributes:
        target: the target's weight.
        target_bias: its bias, zeros where there is none.
        positive: the ticket's effective weight on max(x, 0).
        negative: that on -max(-x, 0), or None where inputs cannot be negative.
        ticket_bias: its effective bias.
        window: of a convolution.
        relu: whether a ReLU follows.
        residual: `(outputs,)`, what curved hidden units add at most where inputs have modulus 1.
        power: for inputs of another modulus, the power of it to multiply that with.
        wide: where the ticket has copies of channels; its weights and biases are then those of its units.
    """

    target: Tensor
    target_bias: Tensor
    positive: Tensor
    negative: Tensor | None
    ticket_bias: Tensor
    window: Window | None
    relu: bool
    residual: Tensor
    power: float = 1.0
    wide: Wide | None = None

    @property
    def signed(self) -> bool:
        """Whether the two signs of an input are treated apart."""
        return self.negative is not None

    @property
    def gap(self) -> Tensor:
        """Ticket minus target; where signed, on the parts `(max(x, 0), max(-x, 0))` side by side."""
        if self.wide is not None:
            return self.wide.gap
        if self.negative is None:
            return self.positive - self.target
        return torch.cat([self.positive - self.target, self.target - self.negative], dim=1)

    @property
    def bias_gap(self) -> Tensor:
        """The ticket's bias minus the target's."""
        return self.ticket_bias - self.target_bias if self.wide is None else self.wide.bias_gap

    def apply(self, side: Side, x: Tensor) -> Tensor:
        """What one of the two layers makes of inputs `(n, inputs, ...)`, before any ReLU."""
        if side == "target":
            return affine(x, self.target, self.target_bias, self.window)
        if self.negative is None:
            return affine(x, self.positive, self.ticket_bias, self.window)
        both = torch.cat([self.positive, -self.negative], dim=1)
        return affine(torch.cat([x.relu(), (-x).relu()], dim=1), both, self.ticket_bias, self.window)


@dataclass(frozen=True, eq=False)
class ComparedGraph:
    """Target and ticket as one graph whose layers have two sides.

    Attributes:
        nodes: of the target.
        layers: by name.
        input_shape: of one example.
    """

    nodes: tuple[Node, ...]
    layers: dict[str, ComparedLayer]
    input_shape: tuple[int, ...]

    def run(self, side: Side, x: Tensor) -> Tensor:
        """The output of one of the two networks, `(n, -1)` float64, for inputs `(n, ...)` of any floating type."""
        start = x.double().reshape(len(x), *self.input_shape)
        return traverse(self.nodes, start, lambda node, inputs: self._step(side, node, inputs)).popitem()[1].flatten(1)

    def feeds(self, x: Tensor) -> dict[str, Tensor]:
        """What the target's layers take for inputs `(n, ...)`, by the layer's name."""
        found: dict[str, Tensor] = {}

        def step(node: Node, inputs: list[Tensor]) -> Tensor:
            if node.name in self.layers:
                found[node.name] = inputs[0]
            return self._step("target", node, inputs)

        traverse(self.nodes, x.double().reshape(len(x), *self.input_shape), step)
        return found

    def errors(self, points: np.ndarray) -> np.ndarray:
        """The 2-norm of ticket's output minus target's output at each of `points` `(count, n)`, `(count,)`."""
        with torch.no_grad():
            x = torch.from_numpy(points)
            return (self.run("ticket", x) - self.run("target", x)).norm(dim=1).numpy()

    def _step(self, side: Side, node: Node, inputs: list[Tensor]) -> Tensor:
        layer = self.layers.get(node.name)
        if layer is None:
            return operation(node)(*inputs)
        result = layer.apply(side, inputs[0])
        return result.relu() if layer.relu else result


def compared_graph(
    graph: Graph, layers: Iterable[TargetLayer], maps: Iterable[EffectiveMaps], powers: Iterable[float]
) -> ComparedGraph:
    """The graph of a target with the effective weights of a two-layer ticket beside its own.

    Raises:
        ValueError: if the ticket has other layers or shapes than the target.
    """
    found = {}
    for one, layer, effective, power in zip(graph.layers, layers, maps, powers, strict=True):
        if effective.layer != layer.name or effective.positive.shape != layer.weight.shape:
            raise ValueError(
                f"the ticket has {effective.layer!r} of shape {effective.positive.shape} where the target has "
                f"{layer.name!r} of shape {layer.weight.shape}: it is a ticket for another target"
            )
        found[layer.name] = replace(_compared(one, layer, effective), power=power)
    return ComparedGraph(graph.nodes, found, graph.input_shape)


def target_graph(graph: Graph) -> ComparedGraph:
    """A target next to itself."""
    found = {}
    for one in graph.layers:
        weight, zeros = one.weight.double(), torch.zeros(len(one.weight), dtype=torch.float64)
        bias = zeros if one.bias is None else one.bias.double()
        found[one.name] = ComparedLayer(weight, bias, weight, None, bias, one.window, one.relu, zeros)
    return ComparedGraph(graph.nodes, found, graph.input_shape)


def _compared(one: AffineLayer, layer: TargetLayer, effective: EffectiveMaps) -> ComparedLayer:
    outputs = len(one.weight)
    bias = torch.zeros(outputs, dtype=torch.float64)
    ticket_bias, residual = (
        bias if rows is None else torch.from_numpy(rows.reshape(outputs, -1).sum(axis=1))
        for rows in (effective.bias, effective.residual)
    )
    return ComparedLayer(
        one.weight.double(),
        bias if one.bias is None else one.bias.double(),
        as_filters(effective.positive, one.window),
        None if effective.negative is None else as_filters(effective.negative, one.window),
        ticket_bias,
        one.window,
        one.relu,
        residual,
    )
