"""The layers of a target graph as the constructions take them, and the target as a ticket's record describes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np

from tombola.errors import UnsupportedModuleError
from tombola.graph import SUPPORTED, AffineLayer, Graph

from ._ball import Ball
from ._compared_graph import target_graph
from ._graph_interval import graph_interval_bound
from ._input_sets import InputSet
from ._layer import Recipe, TargetLayer
from ._tolerance import Tolerance


def targets(graph: Graph, tolerance: Tolerance, inputs: InputSet) -> list[TargetLayer]:
    """The layers to be built, each with its tolerance and the signs that its inputs can have.

    Raises:
        UnsupportedModuleError: if a convolution has a bias and pads so much that every tap reads padding somewhere.
    """
    signed, feeds = graph.signs(input_signed=not inputs.is_nonnegative()), graph.feeds
    takes = {node.name: node.inputs[0] for node in graph.nodes if node.op == "layer"}
    return [
        _target(layer, feeds[layer.name], signed=signed[takes[layer.name]], tolerance=tolerance.of(layer))
        for layer in graph.layers
    ]


def _target(layer: AffineLayer, feed: tuple[int, ...], *, signed: bool, tolerance: float) -> TargetLayer:
    bias = None if layer.bias is None else layer.bias.numpy()
    if layer.window is None:
        return TargetLayer(layer.name, layer.weight.numpy(), bias, layer.relu, signed, tolerance)
    taps, tap = layer.window.taps, layer.window.inner_tap(feed[1:])
    if bias is not None:
        if tap is None:
            found = "a convolution with a bias whose every tap reads padding"
            raise UnsupportedModuleError(layer.name, found, SUPPORTED)
        bias = np.kron(bias, np.eye(1, taps, tap, dtype=np.float32)[0])
    return TargetLayer(
        layer.name,
        as_matrix(layer.weight.numpy()),
        bias,
        layer.relu,
        signed,
        tolerance,
        taps=taps,
        bias_tap=tap or 0,
        padded=any(layer.window.padding),
        absent=layer.weight.numel() - layer.weight.numel() // layer.groups,
    )


def with_reaches(layers: list[TargetLayer], recipe: Recipe) -> list[TargetLayer]:
    """The layers, each with a bound of the modulus of what the target's layer takes over the certified set."""
    _, reaches = graph_interval_bound(target_graph(recipe.graph), recipe.inputs or Ball(1.0))
    return [replace(layer, reach=reaches[layer.name]) for layer in layers]


def as_matrix(weight: np.ndarray) -> np.ndarray:
    """The weight `(outputs, inputs, *taps)` of a convolution as `(outputs * taps, inputs)`."""
    flat = weight.reshape(*weight.shape[:2], -1)
    return np.ascontiguousarray(flat.transpose(0, 2, 1).reshape(-1, weight.shape[1]))


def target_sha256(graph: Graph) -> str:
    """SHA-256 over a target: its nodes, and the names, shapes and float32 values of its layers."""
    digest = hashlib.sha256()
    digest.update(json.dumps([node.to_json() for node in graph.nodes], sort_keys=True).encode())
    for layer in graph.layers:
        for part in (layer.weight, layer.bias):
            shape = None if part is None else tuple(part.shape)
            digest.update(f"\n{layer.name} {shape} {layer.relu} {layer.window}\n".encode())
            if part is not None:
                digest.update(np.ascontiguousarray(part.numpy(), "<f4").data)
    return digest.hexdigest()


def described(graph: Graph) -> dict[str, Any]:
    """A target as JSON data: its hash, its operations, and the shapes of its layers."""
    return {
        "sha256": target_sha256(graph),
        "input_shape": list(graph.input_shape),
        "nodes": [node.to_json() for node in graph.nodes],
        "layers": [
            {
                "name": layer.name,
                "shape": list(layer.weight.shape),
                "bias": layer.bias is not None,
                "relu": layer.relu,
                "window": None if layer.window is None else layer.window.to_json(),
            }
            for layer in graph.layers
        ],
    }
