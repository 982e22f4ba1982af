"""Whether nodes that came from a file make a network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from ._graph import INPUT, LAYER, Node, Window
from ._operation import operation

LARGEST = 2**31  # entries of one result; no network that anyone runs is near it


def check_nodes(
    nodes: Sequence[Node], layers: Mapping[str, tuple[Sequence[int], Window | None]], input_shape: Sequence[int]
) -> None:
    """Raises ValueError unless nodes name each other in order and their shapes follow from each other.

    Nothing is computed: shapes are tried out on tensors without values.

    Args:
        nodes: of a network.
        layers: shape of the weight, and the window, of every layer by name.
        input_shape: of one example.

    Example:
        >>> check_nodes([Node("fc", "layer", ("input",), (3,))], {"fc": ((3, 4), None)}, (5,))
        Traceback (most recent call last):
        ValueError: node 'fc' of shape (3,) does not follow from inputs of shapes [(5,)]
    """
    found = {INPUT: _plausible(tuple(input_shape))}
    for node in nodes:
        if node.name in found or not node.inputs or any(name not in found for name in node.inputs):
            raise ValueError(f"node {node.name!r} has a name twice, or takes {node.inputs}, not all of them before it")
        taken = [found[name] for name in node.inputs]
        if _follows(node, taken, layers) != _plausible(node.shape):
            raise ValueError(f"node {node.name!r} of shape {node.shape} does not follow from inputs of shapes {taken}")
        found[node.name] = node.shape
    if [node.name for node in nodes if node.op == LAYER] != list(layers):
        raise ValueError(f"the nodes hold other layers than {list(layers)}")


def _plausible(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not shape or min(shape) < 1 or math.prod(shape) > LARGEST:
        raise ValueError(f"a result of shape {shape} is none that a network has")
    return shape


def _follows(
    node: Node, taken: list[tuple[int, ...]], layers: Mapping[str, tuple[Sequence[int], Window | None]]
) -> tuple[int, ...] | None:
    """The shape of a node's result, or None if it cannot have one."""
    try:
        if node.op != LAYER:
            return tuple(operation(node)(*(torch.empty((1, *shape), device="meta") for shape in taken)).shape[1:])
        (outputs, inputs, *_), window = layers[node.name]
        ((channels, *pixels),) = taken
        if channels != inputs or len(pixels) != (len(window.kernel) if window else 0):
            return None
        return (outputs,) if window is None else (outputs, *window.extent(pixels))
    except (ArithmeticError, KeyError, RuntimeError, TypeError, ValueError):
        return None
