"""The spectral bound of the error of a graph with convolutions, residual additions, pooling and any activation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tombola.graph import LAYER, Node, traverse
from tombola.rounding import upward

from ._compared_graph import ComparedGraph, ComparedLayer
from ._convolution_norm import operator_norm_bound
from ._input_sets import InputSet
from ._norms import spectral_norm_bound

LONG = 1e10  # multiplications
LIPSCHITZ = {"silu": 1.1, "gelu": 1.13, "sigmoid": 0.25, "leaky_relu": 1.0, "elu": 1.0, "softplus": 1.0}  # else 1
AT_ZERO = {"sigmoid": 0.5, "softplus": math.log(2)}  # what an activation makes of 0


@dataclass(frozen=True)
class Reach:
    """Bounds of 2-norms at a node.

    Attributes:
        target: of the target's activations.
        gaps: `(layers,)`, what each layer's own weight errors add to the difference of the activations.
        residual: of what the curvature of hidden units adds to that difference.
        shape: of the activations of one example.
    """

    target: float
    gaps: np.ndarray
    residual: float
    shape: tuple[int, ...]


def graph_spectral_bound(graph: ComparedGraph, input_set: InputSet, reaches: Mapping[str, float]) -> Reach:
    r"""Bounds of the output and of its error, from the operator norms of all layers.

    With \(X\) a bound of what the target's layer takes and \(\Delta\) one of the difference there, a layer makes
    \(\lVert W \rVert X + \lVert b \rVert\) and \((\lVert W \rVert + \lVert E \rVert) \Delta + \lVert E \rVert X +
    \lVert e \rVert\) of them, `E` and `e` the errors of weights and biases. Activations multiply both by their
    Lipschitz constant, additions add, and a pooling multiplies by the norm of its windows' overlap. A layer of a ticket
    that takes copies has a norm of its own in place of \(\lVert W \rVert + \lVert E \rVert\).

    Args:
        graph: target and ticket.
        input_set: of inputs.
        reaches: bounds, by layer, of the modulus of what the ticket's layer takes, residuals left out.
    """
    order = {name: k for k, name in enumerate(graph.layers)}
    start = Reach(input_set.norm(math.prod(graph.input_shape)), np.zeros(len(order)), 0.0, graph.input_shape)

    def step(node: Node, inputs: list[Reach]) -> Reach:
        if node.op == LAYER:
            return _through_layer(node, graph.layers[node.name], inputs[0], order[node.name], reaches[node.name])
        if node.op == "add":
            one, other = inputs
            gaps, residual = (one.gaps + other.gaps) * upward(1), (one.residual + other.residual) * upward(1)
            return Reach((one.target + other.target) * upward(1), gaps, residual, node.shape)
        factor = gain(node, inputs[0].shape) * upward(1)
        shift = AT_ZERO.get(node.op, 0.0) * math.sqrt(math.prod(node.shape))
        target, residual = (inputs[0].target * factor + shift) * upward(2), inputs[0].residual * factor
        return Reach(target, inputs[0].gaps * factor, residual, node.shape)

    return traverse(graph.nodes, start, step)[graph.nodes[-1].name]


def _through_layer(node: Node, layer: ComparedLayer, before: Reach, number: int, modulus: float) -> Reach:
    pixels = math.sqrt(math.prod(node.shape[1:]))
    target, gap = (operator_norm_bound(one, layer.window, before.shape) for one in (layer.target, layer.gap))
    bias, gap_bias = (float(one.norm()) * pixels * upward(len(one) + 2) for one in (layer.target_bias, layer.bias_gap))
    if layer.wide is not None:
        gap, gap_bias = gap + layer.wide.rounding, gap_bias + layer.wide.rounding * pixels
    ticket = wide_norm(layer, before.shape[1:]) if layer.wide is not None and layer.wide.copied else target + gap
    gaps = before.gaps * ticket * upward(2)
    gaps[number] += (gap * before.target + gap_bias) * upward(3)
    modulus = min(modulus, before.target + float(before.gaps.sum())) + before.residual
    own = float(layer.residual.norm()) * pixels * modulus**layer.power * upward(len(layer.residual) + 8)
    residual = (before.residual * ticket + own) * upward(3)
    return Reach((target * before.target + bias) * upward(3), gaps, residual, node.shape)


def wide_norm(layer: ComparedLayer, pixels: Sequence[int]) -> float:
    """A bound of the operator norm of what a ticket makes of copies, on images of some shape, that is soon found.

    The sum of the norms of all taps is one, and so is the root of the largest sums of moduli of a row and of a column.
    The close bound of `operator_norm_bound` is used where it does not take long.
    """
    weight = layer.positive
    flat = weight.reshape(*weight.shape[:2], -1)
    sums = [float(flat.abs().sum(dim=axes).max()) for axes in ((1, 2), (0, 2))]
    bound = math.sqrt(sums[0] * sums[1]) * upward(flat.numel() + 2)
    work = math.prod(pixels) * weight.shape[0] * weight.shape[1] * min(weight.shape[:2])
    if layer.window is None or work <= LONG:
        return min(bound, operator_norm_bound(weight, layer.window, (weight.shape[1], *pixels)))
    return min(bound, sum(spectral_norm_bound(tap.numpy()) for tap in flat.unbind(2)) * upward(flat.shape[2]))


def gain(node: Node, shape: tuple[int, ...]) -> float:
    """A Lipschitz constant, in the 2-norm, of an operation without parameters on activations of a shape."""
    if node.op in {"flatten"}:
        return 1.0
    if node.op in {"max_pool", "avg_pool"}:
        overlap = math.prod(-(-k // s) for k, s in zip(node.settings["kernel"], node.settings["stride"], strict=True))
        size = math.prod(node.settings["kernel"])
        if node.op == "max_pool":
            return math.sqrt(overlap) * upward(1)
        if node.settings["count_padding"] and not node.settings["ceil"]:
            return math.sqrt(overlap / size) * upward(2)
        return math.sqrt(overlap) * upward(1)
    if node.op == "adaptive_avg_pool":
        return math.sqrt(math.prod(2 for _ in shape[1:])) * upward(1)
    slope = float(node.settings.get("slope", 0.0)) if node.op == "leaky_relu" else 0.0
    alpha = float(node.settings.get("alpha", 0.0)) if node.op == "elu" else 0.0
    return max(LIPSCHITZ.get(node.op, 1.0), abs(slope), abs(alpha))
