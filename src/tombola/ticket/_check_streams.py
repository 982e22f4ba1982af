"""Whether copies of channels in a graph fit each other along its streams."""

from __future__ import annotations

import numpy as np

from tombola.graph import INPUT, Streams

from ._graph import TicketGraph
from ._ticket import Stage, Ticket


def check_streams(ticket: Ticket, groups: list[list[Stage]], graph: TicketGraph) -> None:
    """Raises ValueError unless results that share their channels have the same units.

    Layers that take the network's input are pairs of stages, all others single ones, and the output is in order.
    """
    streams = graph.streams
    widths = _widths(ticket, groups, graph, streams)
    for stages in groups:
        layer = stages[0].layer
        first = streams.first(layer)
        if len(stages) != (2 if first else 1):
            raise ValueError(f"layer {layer!r} has {len(stages)} stages, where layers have two if they take the input")
        wanted = graph.shapes[layer][1] if first else widths[streams.of[streams.takes[layer]]]
        if ticket.tensors[stages[0].weight].inputs != wanted:
            raise ValueError(f"the stages of layer {layer!r} do not fit that layer of the target")
        if first and (
            not stages[0].relu or ticket.tensors[stages[0].weight].outputs != ticket.tensors[stages[1].weight].inputs
        ):
            raise ValueError(f"{stages[1].weight!r} does not take the units of {stages[0].weight!r}")
        _check_signs(ticket, stages)
    _check_output(groups, graph, streams)


def check_copies(copies: np.ndarray, width: int, units: int, layer: str) -> None:
    """Raises ValueError unless copies are one of so many units, or -1, for each output of a layer."""
    out_of_range = copies.size and (copies.min() < -1 or copies.max() >= units)
    if copies.dtype.kind != "i" or copies.shape != (width,) or out_of_range:
        raise ValueError(f"the copies of layer {layer!r} are not one of its units for each of {width} outputs")


def _widths(ticket: Ticket, groups: list[list[Stage]], graph: TicketGraph, streams: Streams) -> dict[str, int]:
    """How many units each stream has, after the masks and copies of all layers whose results are in it."""
    found: dict[str, int] = {}
    for stages in groups:
        layer, copies = stages[0].layer, stages[-1].copies
        stream, columns = streams.of[layer], ticket.tensors[stages[-1].weight].outputs
        if copies is None or stream == INPUT:
            raise ValueError(f"layer {layer!r} has no copies of its units, or is added to the network's input")
        taps = _taps(graph, streams, layer)
        check_copies(copies, columns // taps, streams.channels[stream], layer)
        if columns % taps or found.setdefault(stream, columns // taps) != columns // taps:
            raise ValueError(f"layer {layer!r} has {columns} columns for {taps} taps of {found[stream]} units")
        _check_bias(ticket, stages[-1], found[stream])
    return found


def _taps(graph: TicketGraph, streams: Streams, layer: str) -> int:
    """Columns of a layer's tensor that belong to one unit: taps of a filter, or pixels of a flattened image."""
    window = graph.windows[layer]
    if window is not None:
        return window.taps
    return 1 if streams.first(layer) else streams.grains[streams.takes[layer]]


def _check_bias(ticket: Ticket, stage: Stage, width: int) -> None:
    if stage.bias is None:
        return
    bias = ticket.tensors[stage.bias]
    if bias.transposed or bias.mask.shape != (width, 1):
        raise ValueError(f"bias {stage.bias!r} of shape {bias.mask.shape} is not one for each of {width} units")


def _check_signs(ticket: Ticket, stages: list[Stage]) -> None:
    if len(stages) == 1 and ticket.record["signed_layers"][stages[0].layer]:
        raise ValueError(f"layer {stages[0].layer!r} takes copies, and cannot have a sum for each sign")


def _check_output(groups: list[list[Stage]], graph: TicketGraph, streams: Streams) -> None:
    """Every layer whose result is in the stream of the output has each output once, in order."""
    output = streams.of[graph.nodes[-1].name]
    for stages in groups:
        layer, copies = stages[0].layer, stages[-1].copies
        if streams.of[layer] != output or copies is None:
            continue
        if not np.array_equal(copies, np.arange(streams.channels[output])):
            raise ValueError(f"the last layer {layer!r} must have each output once, in order")
