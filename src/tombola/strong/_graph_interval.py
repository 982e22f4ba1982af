"""The error of a graph by interval arithmetic, and how far its outputs can range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.graph import LAYER, Node, Window, affine, operation, traverse
from tombola.rounding import gamma, upward

from ._compared_graph import ComparedGraph, ComparedLayer
from ._graph_spectral import gain
from ._input_sets import InputSet

DIPS = {"silu": (-1.2784645428, -0.2784645429), "gelu": (-0.7517916244, -0.1699712075)}  # where least, and how low
DIP_OF_TANH_GELU = (-0.7524614, -0.1700408)
LINEAR = {"avg_pool", "adaptive_avg_pool", "flatten"}
ROUNDED = 1e-14  # relative, of an activation or a pooling


@dataclass(frozen=True, eq=False)
class Interval:
    """All values between two tensors `(1, *shape)`."""

    low: Tensor
    high: Tensor

    @property
    def largest(self) -> Tensor:
        """The largest modulus, entry by entry."""
        return torch.maximum(self.low.abs(), self.high.abs())

    def widened(self, slack: Tensor | float) -> Interval:
        """With room for rounding on both sides."""
        return Interval(self.low - slack, self.high + slack)

    def with_zero(self) -> Interval:
        """The least interval that holds this one and 0."""
        return Interval(self.low.clamp(max=0), self.high.clamp(min=0))

    def __add__(self, other: Interval) -> Interval:
        total = Interval(self.low + other.low, self.high + other.high)
        return total.widened(2 * gamma(1) * total.largest)


@dataclass(frozen=True, eq=False)
class Ranges:
    """Of the target's activations at a node, and of ticket minus target there."""

    target: Interval
    gap: Interval


def graph_interval_bound(graph: ComparedGraph, input_set: InputSet) -> tuple[float, dict[str, float]]:
    """A bound of the 2-norm of the output's error, and by layer of the modulus of what the ticket's layer takes.

    Residuals of curved hidden units are left out of both. The guarantee is exact, rounding included. Costs about six
    forward passes in float64.
    """
    reaches: dict[str, float] = {}

    def step(node: Node, inputs: list[Ranges]) -> Ranges:
        if node.op == LAYER:
            taken = inputs[0]
            reaches[node.name] = _reach(taken) * upward(2)
        return _step(graph, node, inputs)

    low, high = (torch.from_numpy(bound) for bound in input_set.bounds(math.prod(graph.input_shape)))
    shape = (1, *graph.input_shape)
    zero = torch.zeros(shape, dtype=torch.float64)
    start = Ranges(Interval(low.reshape(shape), high.reshape(shape)), Interval(zero, zero))
    with torch.no_grad():
        gap = traverse(graph.nodes, start, step)[graph.nodes[-1].name].gap
    return float(gap.largest.norm()) * upward(gap.low.numel()), reaches


def _reach(taken: Ranges) -> float:
    """A bound of the modulus of the ticket's activations; units of a wide ticket differ by their gaps from channels."""
    target, gap = taken.target.largest, taken.gap.largest
    return float((target + gap).amax() if target.shape == gap.shape else target.amax() + gap.amax())


def _step(graph: ComparedGraph, node: Node, inputs: list[Ranges]) -> Ranges:
    if node.op == LAYER:
        return _through_layer(graph.layers[node.name], inputs[0])
    if node.op == "add":
        return Ranges(inputs[0].target + inputs[1].target, inputs[0].gap + inputs[1].gap)
    apply, before = operation(node), inputs[0]
    if node.op in LINEAR:
        return Ranges(*(_rounded(Interval(apply(one.low), apply(one.high))) for one in (before.target, before.gap)))
    if node.op == "max_pool":
        gap = Interval(-apply(-before.gap.low), apply(before.gap.high))
        return Ranges(Interval(apply(before.target.low), apply(before.target.high)), gap)
    return _through_activation(node, before)


def _rounded(interval: Interval) -> Interval:
    return interval.widened(ROUNDED * interval.largest.amax())


def _through_activation(node: Node, before: Ranges) -> Ranges:
    apply, slope = operation(node), gain(node, node.shape) * upward(2)
    low, high = apply(before.target.low), apply(before.target.high)
    if node.op not in DIPS:
        gap = before.gap.with_zero()
        return Ranges(_rounded(Interval(low, high)), Interval(slope * gap.low, slope * gap.high))
    place, least = DIP_OF_TANH_GELU if node.settings.get("approximate") == "tanh" else DIPS[node.op]
    dips = (before.target.low < place + 1e-6) & (before.target.high > place - 1e-6)
    lowest = torch.where(dips, torch.full_like(low, least - 1e-6), torch.minimum(low, high))
    reach = slope * before.gap.largest
    return Ranges(_rounded(Interval(lowest, torch.maximum(low, high))), Interval(-reach, reach))


def _through_layer(layer: ComparedLayer, before: Ranges) -> Ranges:
    target = _affine(layer.target, layer.target_bias, layer.window, before.target)
    parts, moved, ticket = before.target, before.gap, layer.positive
    if layer.negative is not None:
        parts, moved = _split(before.target), _split_gap(before.gap)
        ticket = torch.cat([layer.positive, -layer.negative], dim=1)
    own = _affine(layer.gap, layer.bias_gap, layer.window, parts)
    if layer.wide is not None:
        own = own.widened(layer.wide.rounding * (1 + float(parts.largest.amax())) * upward(2))
    gap = own + _affine(ticket, torch.zeros_like(layer.ticket_bias), layer.window, moved)
    if not layer.relu:
        return Ranges(target, gap)
    low, high = target.low, target.high
    if layer.wide is not None:
        low, high = low[:, layer.wide.owner], high[:, layer.wide.owner]
    inactive = (high <= 0) & (high + gap.high <= 0)
    active = (low >= 0) & (low + gap.low >= 0)
    loose = gap.with_zero()
    low = torch.where(active, gap.low, loose.low).masked_fill(inactive, 0.0)
    high = torch.where(active, gap.high, loose.high).masked_fill(inactive, 0.0)
    return Ranges(Interval(target.low.relu(), target.high.relu()), Interval(low, high))


def _split(interval: Interval) -> Interval:
    """The parts `(max(x, 0), max(-x, 0))` side by side."""
    lows = [interval.low.relu(), (-interval.high).relu()]
    return Interval(torch.cat(lows, dim=1), torch.cat([interval.high.relu(), (-interval.low).relu()], dim=1))


def _split_gap(gap: Interval) -> Interval:
    """The differences of the two parts, given that of the whole."""
    loose = gap.with_zero()
    return Interval(torch.cat([loose.low, -loose.high], dim=1), torch.cat([loose.high, -loose.low], dim=1))


def _affine(weight: Tensor, bias: Tensor, window: Window | None, interval: Interval) -> Interval:
    centre, radius = (interval.low + interval.high) / 2, (interval.high - interval.low) / 2
    middle = affine(centre, weight, bias, window)
    around = affine(radius, weight.abs(), None, window)
    sums = weight.abs().flatten(1).sum(dim=1) * interval.largest.amax() + bias.abs()
    slack = 4 * gamma(weight[0].numel() + 2) * sums
    slack = slack.reshape(1, -1, *[1] * (middle.ndim - 2))
    return Interval(middle - around - slack, middle + around + slack)
