"""The spectral bound of the error of a graph with convolutions, residual additions, pooling and any activation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tombola.graph import LAYER, Node, traverse

from ._compared_graph import ComparedGraph, ComparedLayer
from ._convolution_norm import operator_norm_bound
from ._input_sets import InputSet
from ._rounding import upward

LIPSCHITZ = {"silu": 1.1, "gelu": 1.13, "sigmoid": 0.25, "leaky_relu": 1.0, "elu": 1.0, "softplus": 1.0}  # else 1
AT_ZERO = {"sigmoid": 0.5, "softplus": math.log(2)}  # what an activation makes of 0


@dataclass(frozen=True)
class Reach:
    """Bounds of 2-norms at a node.

    Attributes:
        target: of the target's activations.
        gaps: `(layers,)`, what each layer's own weight errors add to the difference of the activations.
        shape: of the activations of one example.
    """

    target: float
    gaps: np.ndarray
    shape: tuple[int, ...]


def graph_spectral_bound(graph: ComparedGraph, input_set: InputSet) -> Reach:
    r"""Bounds of the output and of its error, from the operator norms of all layers.

    With \(X\) a bound of what the target's layer takes and \(\Delta\) one of the difference there, a layer makes
    \(\lVert W \rVert X + \lVert b \rVert\) and \((\lVert W \rVert + \lVert E \rVert) \Delta + \lVert E \rVert X +
    \lVert e \rVert\) of them, `E` and `e` the errors of weights and biases. Activations multiply both by their
    Lipschitz constant, additions add, and a pooling multiplies by the norm of its windows' overlap.
    """
    order = {name: k for k, name in enumerate(graph.layers)}
    start = Reach(input_set.norm(math.prod(graph.input_shape)), np.zeros(len(order)), graph.input_shape)

    def step(node: Node, inputs: list[Reach]) -> Reach:
        if node.op == LAYER:
            return _through_layer(node, graph.layers[node.name], inputs[0], order[node.name])
        if node.op == "add":
            sums = inputs[0].gaps + inputs[1].gaps
            return Reach((inputs[0].target + inputs[1].target) * upward(1), sums * upward(1), node.shape)
        factor = gain(node, inputs[0].shape) * upward(1)
        shift = AT_ZERO.get(node.op, 0.0) * math.sqrt(math.prod(node.shape))
        return Reach((inputs[0].target * factor + shift) * upward(2), inputs[0].gaps * factor, node.shape)

    return traverse(graph.nodes, start, step)[graph.nodes[-1].name]


def _through_layer(node: Node, layer: ComparedLayer, before: Reach, number: int) -> Reach:
    pixels = math.sqrt(math.prod(node.shape[1:]))
    target, gap = (operator_norm_bound(one, layer.window, before.shape) for one in (layer.target, layer.gap))
    bias, gap_bias = (
        float(one.norm()) * pixels * upward(len(one) + 2)
        for one in (layer.target_bias, layer.ticket_bias - layer.target_bias)
    )
    gaps = before.gaps * (target + gap) * upward(2)
    gaps[number] += (gap * before.target + gap_bias) * upward(3)
    return Reach((target * before.target + bias) * upward(3), gaps, node.shape)


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
