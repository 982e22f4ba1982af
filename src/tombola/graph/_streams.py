"""Which results of a network share their channels, and what becomes of a constant channel on its way.

An activation, a pooling, a flatten or an addition works channel by channel. All results that such operations connect
are one *stream*: if its first result holds channels in some number and order, so do the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from ._graph import INPUT, LAYER, Node
from ._operation import ACTIVATIONS, operation


@dataclass(frozen=True, eq=False)
class Units:
    """What the units of a result are.

    Attributes:
        copies: `(n,)` the channel of the target that each is a copy of, -1 for none.
        values: `(n,)` float64, what those are that are no copies, if they are the same everywhere, else NaN.
    """

    copies: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Streams:
    """The streams of a network.

    Attributes:
        nodes: of the network.
        input_shape: of one example.

    Example:
        >>> conv, flat = Node("conv", "layer", ("input",), (8, 5, 5)), Node("flat", "flatten", ("conv",), (200,))
        >>> found = Streams((conv, flat, Node("fc", "layer", ("flat",), (10,))), (1, 5, 5))
        >>> found.of, found.grains["flat"]
        ({'input': 'input', 'conv': 'conv', 'flat': 'conv', 'fc': 'fc'}, 25)
    """

    nodes: tuple[Node, ...]
    input_shape: tuple[int, ...]

    @cached_property
    def of(self) -> dict[str, str]:
        """By result, and the input: the stream that it belongs to, named after its first result."""
        found = {INPUT: INPUT}
        for node in self.nodes:
            joined = set() if node.op == LAYER else {found[name] for name in node.inputs}
            first = next((name for name in found if name in joined), node.name)
            found = {name: first if stream in joined else stream for name, stream in found.items()}
            found[node.name] = first
        return found

    @cached_property
    def grains(self) -> dict[str, int]:
        """By result, and the input: how many entries of its first axis belong to one channel; 1 but for a flatten."""
        found, shapes = {INPUT: 1}, {INPUT: self.input_shape}
        for node in self.nodes:
            shapes[node.name], before = node.shape, node.inputs[0]
            found[node.name] = 1 if node.op == LAYER else found[before]
            if node.op == "flatten":
                found[node.name] *= int(np.prod(shapes[before][1:], dtype=np.int64))
        return found

    @cached_property
    def channels(self) -> dict[str, int]:
        """By stream: how many channels it has.

        Raises:
            ValueError: if an addition joins results whose channels have different sizes.
        """
        found: dict[str, int] = {}
        shapes = {INPUT: self.input_shape} | {node.name: node.shape for node in self.nodes}
        for name, stream in self.of.items():
            count = shapes[name][0] // self.grains[name]
            if found.setdefault(stream, count) != count:
                raise ValueError(f"{name!r} adds channels of different sizes, and no two of them stand for each other")
        return found

    @cached_property
    def takes(self) -> dict[str, str]:
        """By layer: the result that it takes."""
        return {node.name: node.inputs[0] for node in self.nodes if node.op == LAYER}

    def first(self, layer: str) -> bool:
        """Whether a layer takes the network's input, or a pooling or activation of it."""
        return self.of[self.takes[layer]] == INPUT

    def units(self, layers: Mapping[str, Units], relu: Set[str]) -> dict[str, Units]:
        """What units are in all results that layers make, when they are wider than those of the target.

        Args:
            layers: what they are in the results of layers, before a ReLU.
            relu: the layers with a ReLU.
        """
        found: dict[str, Units] = {}
        for node in self.nodes:
            if node.op == LAYER:
                made = layers[node.name]
                found[node.name] = replace(made, values=np.maximum(made.values, 0)) if node.name in relu else made
            elif node.inputs[0] in found:
                found[node.name] = through(node, [found[name] for name in node.inputs])
        return found


def through(node: Node, units: Sequence[Units]) -> Units:
    """What an operation without parameters makes of units.

    Example:
        >>> copy, constants = np.array([0, 0, -1]), np.array([np.nan, np.nan, 1.0])
        >>> other = Units(np.array([0, 1, -1]), constants)
        >>> found = through(Node("sum", "add", ("a", "b"), (1,)), [Units(copy, constants), other])
        >>> found.copies.tolist(), found.values.tolist()
        ([0, -1, -1], [nan, nan, 2.0])
    """
    one, *others = units
    if node.op == "add":
        copies = np.where(one.copies == others[0].copies, one.copies, -1)
        return Units(copies, one.values + others[0].values)
    if node.op == "avg_pool" and node.settings["count_padding"] and any(node.settings["padding"]):
        return replace(one, values=np.where(one.values == 0, 0.0, np.nan))
    if node.op in ACTIVATIONS:
        return replace(one, values=operation(node)(torch.from_numpy(one.values)).numpy())
    return one
