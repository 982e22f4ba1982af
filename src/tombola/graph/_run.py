"""A graph computed as it stands, in any floating type."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ._graph import LAYER, Graph, Node, Window, traverse
from ._operation import operation


def run(graph: Graph, x: Tensor) -> Tensor:
    """What a graph computes for inputs `(n, *input_shape)`, in their dtype.

    Example:
        >>> from torch import nn
        >>> from ._read import read_graph
        >>> graph = read_graph(nn.Linear(2, 1), torch.zeros(1, 2))
        >>> run(graph, torch.zeros(5, 2)).shape
        torch.Size([5, 1])
    """
    layers = {layer.name: layer for layer in graph.layers}

    def apply(node: Node, inputs: list[Tensor]) -> Tensor:
        if node.op != LAYER:
            return operation(node)(*inputs)
        layer = layers[node.name]
        bias = None if layer.bias is None else layer.bias.to(x.dtype)
        result = affine(inputs[0], layer.weight.to(x.dtype), bias, layer.window)
        return result.relu() if layer.relu else result

    with torch.no_grad():
        return traverse(graph.nodes, x, apply)[graph.nodes[-1].name]


def affine(x: Tensor, weight: Tensor, bias: Tensor | None, window: Window | None) -> Tensor:
    """A dense layer, or the convolution over one or two axes of a window."""
    if window is None:
        return functional.linear(x, weight, bias)
    convolve = functional.conv1d if len(window.kernel) == 1 else functional.conv2d
    return convolve(x, weight, bias, window.stride, window.padding, window.dilation)


def as_filters(matrix: np.ndarray, window: Window | None) -> Tensor:
    """The rows `(outputs * taps, inputs)` of a layer as `(outputs, inputs, *taps)`; a dense layer stays as it is."""
    found = torch.from_numpy(matrix)
    if window is None:
        return found
    shaped = found.reshape(len(found) // window.taps, window.taps, -1).transpose(1, 2)
    return shaped.reshape(*shaped.shape[:2], *window.kernel).contiguous()
