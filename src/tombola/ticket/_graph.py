"""The operations of the network that a strong ticket stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tombola.graph import INPUT, LAYER, Node, Streams, Window, check_nodes, is_chain

from ._json import check_json
from ._ticket import Ticket

WINDOW = {"kernel": [int], "stride": [int], "padding": [int], "dilation": [int]}


@dataclass(frozen=True, eq=False)
class TicketGraph:
    """What a ticket's record says of its target's operations.

    Attributes:
        nodes: in an order in which each comes after its inputs.
        shapes: of the weights of the layers, by name.
        windows: of the layers, by name; None for a dense one.
        input_shape: of one example.
    """

    nodes: tuple[Node, ...]
    shapes: dict[str, tuple[int, ...]]
    windows: dict[str, Window | None]
    input_shape: tuple[int, ...]

    @property
    def dense(self) -> bool:
        """Whether it is a chain of dense layers."""
        return is_chain(self.nodes) and not any(self.windows.values())

    @property
    def streams(self) -> Streams:
        """Which of its results share their channels."""
        return Streams(self.nodes, self.input_shape)

    def bias_tap(self, layer: str) -> int | None:
        """The one tap of a layer that never sees padding, which alone may read constants; None if there is none."""
        window = self.windows[layer]
        if window is None:
            return 0
        results = {INPUT: self.input_shape} | {node.name: node.shape for node in self.nodes}
        (feed,) = (results[node.inputs[0]] for node in self.nodes if node.op == LAYER and node.name == layer)
        return window.inner_tap(feed[1:])


def ticket_graph(ticket: Ticket) -> TicketGraph:
    """The graph that the record of a strong ticket describes.

    Raises:
        ValueError: if it describes none.
    """
    target: dict[str, Any] = ticket.record["target"]
    shapes, windows = {}, {}
    for layer in target["layers"]:
        name, window = layer["name"], layer["window"]
        if window is not None:
            check_json(window, WINDOW, "window")
        shapes[name] = tuple(layer["shape"])
        windows[name] = None if window is None else Window.from_json(window)
        if shapes[name][2:] != (() if windows[name] is None else windows[name].kernel):
            raise ValueError(f"layer {name!r} of its target has the shape {shapes[name]} and the window {window}")
    nodes = tuple(Node.from_json(node) for node in target["nodes"])
    layers = {name: (shapes[name], windows[name]) for name in shapes}
    check_nodes(nodes, layers, target["input_shape"])
    return TicketGraph(nodes, shapes, windows, tuple(target["input_shape"]))
