"""The records of a target network: nodes, the layers that some of them are, and the windows of convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, TypeVar

from torch import Tensor

INPUT = "input"  # the name under which nodes refer to the network's input
LAYER = "layer"
NONNEGATIVE = {"relu", "sigmoid", "softplus"}  # results; the other operations keep non-negative inputs so

Value = TypeVar("Value")


@dataclass(frozen=True)
class Window:
    """Where the taps of a convolution stand; one entry per spatial axis.

    Attributes:
        kernel: taps.
        stride: steps between outputs.
        padding: zeros in front and behind.
        dilation: steps between taps.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def taps(self) -> int:
        """How many taps in all."""
        return math.prod(self.kernel)

    def extent(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """The spatial shape of the output for one of the input."""
        axes = zip(sizes, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)

    def inner_tap(self, sizes: Sequence[int]) -> int | None:
        """The tap nearest to the centre that never sees padding, as an index into the flattened taps; None if all do.

        A constant that is read through it reaches every output alike. Read through any other tap it would be missing
        at a border.

        Args:
            sizes: spatial shape of the input.

        Example:
            >>> Window((3, 3), (1, 1), (1, 1), (1, 1)).inner_tap((8, 8))
            4
            >>> Window((2,), (1,), (2,), (1,)).inner_tap((4,)) is None
            True
        """
        index = 0
        axes = zip(sizes, self.kernel, self.stride, self.padding, self.dilation, self.extent(sizes), strict=True)
        for n, k, s, p, d, out in axes:
            inside = [t for t in range(k) if t * d >= p and (out - 1) * s + t * d - p < n]
            if not inside:
                return None
            index = index * k + min(inside, key=lambda t: abs(2 * t - k + 1))
        return index

    def to_json(self) -> dict[str, list[int]]:
        """The window as plain data; `from_json` takes it back."""
        return {name: list(getattr(self, name)) for name in ("kernel", "stride", "padding", "dilation")}

    @classmethod
    def from_json(cls, data: Mapping[str, Sequence[int]]) -> Window:
        """The window that `to_json` wrote.

        Raises:
            ValueError: if its entries are not one or two numbers each, all of them positive but for the padding.
        """
        entries = [tuple(data[name]) for name in ("kernel", "stride", "padding", "dilation")]
        sizes = {len(entry) for entry in entries}
        if sizes not in ({1}, {2}) or any(
            n < (k != 2)
            for k, entry in enumerate(entries)
            for n in entry  # padding may be 0
        ):
            raise ValueError(f"a convolution has no window {dict(data)}")
        return cls(*entries)


@dataclass(frozen=True, eq=False)
class AffineLayer:
    """One affine map of a target network, with a ReLU right after it or not.

    Attributes:
        name: module path of the layer; `a*b` for two that nothing separates (their product is one affine map); `a@2`
            for the second use of a layer that is used more than once.
        weight: `(outputs, inputs)` float32 of a dense layer, `(outputs, inputs, *taps)` of a convolution; the weights
            between different groups of a grouped convolution are zeros here.
        bias: `(outputs,)` float32, or None.
        relu: whether a ReLU is all that reads it.
        window: of a convolution.
        groups: of a convolution; how many of its weights are not zeros by construction.
    """

    name: str
    weight: Tensor
    bias: Tensor | None
    relu: bool = False
    window: Window | None = None
    groups: int = 1

    @property
    def parameters(self) -> int:
        """How many weights and biases."""
        return self.weight.numel() // self.groups + (0 if self.bias is None else self.bias.numel())


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        name: of the operation's result; of the layer where it is one.
        op: "layer", "add", "flatten", a pooling, or an activation.
        inputs: names of the nodes whose results it takes, or `INPUT`.
        shape: of its result, for one example.
        settings: of a pooling or an activation, as plain data.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The node as plain data; `from_json` takes it back."""
        return {
            "name": self.name,
            "op": self.op,
            "inputs": list(self.inputs),
            "shape": list(self.shape),
            "settings": dict(self.settings),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Node:
        """The node that `to_json` wrote."""
        return cls(data["name"], data["op"], tuple(data["inputs"]), tuple(data["shape"]), data["settings"])


@dataclass(frozen=True, eq=False)
class Graph:
    """A target network.

    Attributes:
        nodes: in an order in which each comes after its inputs; the last one is the output.
        layers: those of the nodes that are layers, in the same order.
        input_shape: of one example.
    """

    nodes: tuple[Node, ...]
    layers: tuple[AffineLayer, ...]
    input_shape: tuple[int, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every result, and of the input, by name."""
        return {INPUT: self.input_shape, **{node.name: node.shape for node in self.nodes}}

    @property
    def feeds(self) -> dict[str, tuple[int, ...]]:
        """The shape of what every layer takes, by the layer's name."""
        shapes = self.shapes
        return {node.name: shapes[node.inputs[0]] for node in self.nodes if node.op == LAYER}

    def signs(self, *, input_signed: bool) -> dict[str, bool]:
        """Whether the result of each node, and the input, can be negative, by name."""
        return signs(self.nodes, {layer.name for layer in self.layers if layer.relu}, input_signed=input_signed)

    def is_dense_chain(self) -> bool:
        """Whether it is dense layers one after the other, with a ReLU after each but perhaps the last."""
        *hidden, last = self.layers
        plain = last.window is None and all(layer.relu and layer.window is None for layer in hidden)
        return plain and is_chain(self.nodes)


def is_chain(nodes: Sequence[Node]) -> bool:
    """Whether nodes are layers one after the other, with nothing but a flatten in front of any."""
    ahead = INPUT
    for node in nodes:
        if node.op not in {LAYER, "flatten"} or node.inputs != (ahead,):
            return False
        ahead = node.name
    return nodes[-1].op == LAYER


def is_path(nodes: Sequence[Node]) -> bool:
    """Whether every node takes the result of the one before it, and nothing else."""
    return all(node.inputs == (before,) for node, before in zip(nodes, [INPUT, *(n.name for n in nodes)], strict=False))


def signs(nodes: Sequence[Node], relu: Set[str], *, input_signed: bool) -> dict[str, bool]:
    """Whether the result of each node, and the input, can be negative, by name; `relu` are the layers with a ReLU."""
    found: dict[str, bool] = {INPUT: input_signed}
    for node in nodes:
        if node.op == LAYER:
            found[node.name] = node.name not in relu
        else:
            found[node.name] = node.op not in NONNEGATIVE and any(found[name] for name in node.inputs)
    return found


def traverse(nodes: Sequence[Node], start: Value, apply: Callable[[Node, list[Value]], Value]) -> dict[str, Value]:
    """The result of every node by its name, from `apply(node, results of its inputs)`; `start` is the input's.

    Results that no later node takes are dropped, so that only those that are needed are held; the last one stays.
    """
    last_use = {name: number for number, node in enumerate(nodes) for name in node.inputs}
    results = {INPUT: start}
    for number, node in enumerate(nodes):
        results[node.name] = apply(node, [results[name] for name in node.inputs])
        for name in set(node.inputs):
            if last_use[name] == number:
                del results[name]
    return results
