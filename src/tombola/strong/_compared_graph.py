"""A target graph next to the ticket that stands for it, layer by layer and as two networks in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tombola.effective import EffectiveMaps
from tombola.graph import AffineLayer, Graph, Node, Window, affine, as_filters, operation, traverse

from ._layer import TargetLayer

Side = Literal["target", "ticket"]


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
    """

    target: Tensor
    target_bias: Tensor
    positive: Tensor
    negative: Tensor | None
    ticket_bias: Tensor
    window: Window | None
    relu: bool

    @property
    def signed(self) -> bool:
        """Whether the two signs of an input are treated apart."""
        return self.negative is not None

    @property
    def gap(self) -> Tensor:
        """Ticket minus target; where signed, on the parts `(max(x, 0), max(-x, 0))` side by side."""
        if self.negative is None:
            return self.positive - self.target
        return torch.cat([self.positive - self.target, self.target - self.negative], dim=1)

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


def compared_graph(graph: Graph, layers: Iterable[TargetLayer], maps: Iterable[EffectiveMaps]) -> ComparedGraph:
    """The graph of a target with the effective weights of a two-layer ticket beside its own.

    Raises:
        ValueError: if the ticket has other layers or shapes than the target.
    """
    found = {}
    for one, layer, effective in zip(graph.layers, layers, maps, strict=True):
        if effective.layer != layer.name or effective.positive.shape != layer.weight.shape:
            raise ValueError(
                f"the ticket has {effective.layer!r} of shape {effective.positive.shape} where the target has "
                f"{layer.name!r} of shape {layer.weight.shape}: it is a ticket for another target"
            )
        found[layer.name] = _compared(one, layer, effective)
    return ComparedGraph(graph.nodes, found, graph.input_shape)


def _compared(one: AffineLayer, layer: TargetLayer, effective: EffectiveMaps) -> ComparedLayer:
    outputs = len(one.weight)
    bias = torch.zeros(outputs, dtype=torch.float64)
    ticket_bias = bias
    if effective.bias is not None:
        ticket_bias = torch.from_numpy(effective.bias[layer.bias_tap :: layer.taps].copy())
    return ComparedLayer(
        one.weight.double(),
        bias if one.bias is None else one.bias.double(),
        as_filters(effective.positive, one.window),
        None if effective.negative is None else as_filters(effective.negative, one.window),
        ticket_bias,
        one.window,
        one.relu,
    )
