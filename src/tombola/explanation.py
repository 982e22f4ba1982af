"""One effective weight, taken apart into the kept source values that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from .activations import RELU
from .effective import EffectiveMaps, effective_maps, is_signed, kept_edges, target_layers
from .graph import Units
from .ticket import Stage, Ticket, TicketGraph, ticket_graph


def explain(
    ticket: Ticket, layer: str, output: int, column: int | None, *, tap: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """The terms of one weight of a strong ticket, in ascending order of units.

    Args:
        ticket: a strong ticket.
        layer: name of the target layer.
        output: which output unit of the target; the first of its copies where it has several.
        column: which input unit of the target, or None for the bias.
        tap: of a convolution: one number for each spatial axis.

    Returns:
        For each kept hidden unit: `unit`, `path` ("x > 0", "x < 0", "constant", or "copy" of an earlier neuron; "any x"
        of a unit with equal slopes, "offset" of what it passes on at 0), `inner` and `outer`, two kept values, and
        their `product`, times the unit's slope where that is not 1. A copy has 1 for `inner`, or, where it is one of
        the constant neuron that biases read, the value that it carries. Empty for a weight that was zeroed.

    Raises:
        ValueError: if the ticket has no such layer or weight.

    Example:
        >>> import torch
        >>> from tombola import Box, construct
        >>> target = torch.nn.Linear(1, 1)
        >>> _ = target.weight.data.fill_(0.5)
        >>> terms = explain(construct(target, torch.zeros(1, 1), seed=2, inputs=Box(0, 1)), "linear", 0, 0)
        >>> abs(sum(term["product"] for term in terms) - 0.5) < 0.005
        True
    """
    groups = {stages[0].layer: stages for stages in target_layers(ticket)}
    if layer not in groups:
        raise ValueError(
            f"the ticket has no layer {layer!r}; it has {', '.join(groups) or 'none that can be explained'}"
        )
    stages = groups[layer]
    _check_column(ticket, layer, column)
    if len(stages) > 2:
        raise ValueError(f"layer {layer!r} is spread over {len(stages)} source layers; only pairs and copies explain")
    number, graph = _row(ticket, layer, output, column, tap), ticket_graph(ticket)
    if not graph.dense and stages[-1].copies is not None:
        return _wide_terms(ticket, graph, stages, number, column)
    row = _position(ticket, stages[-1], number)
    if len(stages) == 2:
        return _products(ticket, stages, row, column)
    earlier = next(before[-1] for before, group in pairwise(groups.values()) if group is stages)
    return _copies(ticket, stages[0], earlier, row, column)


def _check_column(ticket: Ticket, layer: str, column: int | None) -> None:
    described = next(entry for entry in ticket.record["target"]["layers"] if entry["name"] == layer)
    inputs = described["shape"][1]
    if column is None and not described["bias"]:
        raise ValueError(f"layer {layer!r} has no bias")
    if column is not None and not 0 <= column < inputs:
        raise ValueError(f"layer {layer!r} has no input {column}; inputs go from 0 to {inputs - 1}")


def _row(ticket: Ticket, layer: str, output: int, column: int | None, tap: Sequence[int]) -> int:
    """The number of a weight's row among the outputs of a layer: of its output, or of one tap of it."""
    graph = ticket_graph(ticket)
    window, outputs = graph.windows[layer], graph.shapes[layer][0]
    kernel = () if window is None or column is None else window.kernel
    if len(tap) != len(kernel) or any(not 0 <= t < k for t, k in zip(tap, kernel, strict=False)):
        wanted = "no taps" if not kernel else f"a tap of the {' x '.join(map(str, kernel))} behind output and input"
        raise ValueError(f"a weight of layer {layer!r} has {wanted}, got {list(tap)}")
    if window is None:
        return output
    if not 0 <= output < outputs:
        raise ValueError(f"layer {layer!r} has no output {output}; outputs go from 0 to {outputs - 1}")
    place = graph.bias_tap(layer) if column is None else int(np.ravel_multi_index(tuple(tap), kernel))
    return output * window.taps + (place or 0)


def _wide_terms(
    ticket: Ticket, graph: TicketGraph, stages: list[Stage], number: int, column: int | None
) -> list[dict[str, Any]]:
    """Terms of a row of a layer in a graph whose units are copies of channels."""
    stage, window = stages[-1], graph.windows[stages[0].layer]
    assert stage.copies is not None
    output, place = divmod(number, 1 if window is None else window.taps)
    found = np.flatnonzero(stage.copies == output)
    if output < 0 or not found.size:
        raise ValueError(f"layer {stage.layer!r} has no output {output}; outputs go from 0 to {stage.copies.max()}")
    row = int(found[0]) * (1 if window is None else window.taps) + place
    if len(stages) == 2:
        return _products(ticket, stages, row, column)
    feed = graph.streams.takes[stage.layer]
    if window is None:  # pixels of a flattened image are taps
        grain = graph.streams.grains[feed]
        row, column = row * grain + (column or 0) % grain, None if column is None else column // grain
    kept, below = _kept_column(ticket, stage.weight, row), _units_of(ticket, graph)[feed]
    if column is not None:
        return [_term(unit, "copy", 1.0, kept[unit]) for unit in sorted(kept) if below.copies[unit] == column]
    constants = [unit for unit in sorted(kept) if below.copies[unit] < 0]
    return [_term(unit, "constant", float(below.values[unit]), kept[unit]) for unit in constants]


def _units_of(ticket: Ticket, graph: TicketGraph) -> dict[str, Units]:
    """What the units of every result are: copies, or constants that a layer's own biases make."""
    made = {}
    for *_, stage in target_layers(ticket):
        assert stage.copies is not None
        values = np.zeros(stage.copies.size)
        if stage.bias is not None:
            rows, _, biases = kept_edges(ticket, stage.bias, 0, stage.copies.size)
            values[rows] = biases
        made[stage.layer] = Units(stage.copies.astype(np.int64), np.where(stage.copies >= 0, np.nan, values))
    return graph.streams.units(made, {stage.layer for *_, stage in target_layers(ticket) if stage.relu})


def _position(ticket: Ticket, stage: Stage, unit: int) -> int:
    """Where a target unit stands among a stage's outputs."""
    width = ticket.tensors[stage.weight].mask.shape[1]
    places = np.arange(width) if stage.copies is None else stage.copies
    found = np.flatnonzero(places == unit)
    if unit < 0 or not found.size:
        raise ValueError(f"layer {stage.layer!r} has no output {unit}; outputs go from 0 to {places.max(initial=0)}")
    return int(found[0])


def _kept_column(ticket: Ticket, name: str, column: int) -> dict[int, float]:
    """The kept edges to one column of a tensor: value by unit."""
    rows, columns, values = kept_edges(ticket, name, 0, ticket.tensors[name].mask.shape[0])
    here = columns == column
    return dict(zip(rows[here].tolist(), values[here].tolist(), strict=True))


def _products(ticket: Ticket, stages: list[Stage], row: int, column: int | None) -> list[dict[str, Any]]:
    """Terms of a pair of stages: a kept edge into a hidden unit, and one out of it."""
    if stages[0].activation != RELU:
        return _gated(ticket, stages, row, column)
    name = stages[0].weight if column is not None else stages[0].bias
    if name is None:
        return []
    fed, used = _kept_column(ticket, name, column or 0), _kept_column(ticket, stages[1].weight, row)
    return [
        _term(unit, "constant" if column is None else "x > 0" if fed[unit] > 0 else "x < 0", fed[unit], used[unit])
        for unit in sorted(fed.keys() & used.keys())
    ]


def _gated(ticket: Ticket, stages: list[Stage], row: int, column: int | None) -> list[dict[str, Any]]:
    """The same for hidden units with another activation: slopes, constants and offsets."""
    (inner, outer), act = stages, stages[0].activation
    used = _kept_column(ticket, outer.weight, row)
    if column is not None:
        fed = _kept_column(ticket, inner.weight, column)
        slope = act.above + act.below if is_signed(ticket, stages) and not act.linear else act.above
        paths = {unit: "any x" if act.linear else "x > 0" if fed[unit] > 0 else "x < 0" for unit in fed}
        return [
            _term(unit, paths[unit], fed[unit], used[unit], slope=slope) for unit in sorted(fed.keys() & used.keys())
        ]
    owned = set(np.flatnonzero(ticket.tensors[inner.weight].mask.rows_kept()).tolist())
    biases = {} if inner.bias is None else _kept_column(ticket, inner.bias, 0)
    values = {unit: float(act(torch.tensor(biases.get(unit, 0.0), dtype=torch.float64))) for unit in used}
    kinds = {unit: ("offset", act.offset) if unit in owned else ("constant", values[unit]) for unit in used}
    return [_term(unit, *kinds[unit], used[unit]) for unit in sorted(used) if kinds[unit][1]]


def _copies(ticket: Ticket, stage: Stage, earlier: Stage, row: int, column: int | None) -> list[dict[str, Any]]:
    """Terms of a single stage: kept edges from copies of one neuron."""
    kept = _kept_column(ticket, stage.weight, row)
    copies = np.arange(ticket.tensors[stage.weight].mask.shape[0]) if earlier.copies is None else earlier.copies
    if column is not None:
        return [_term(unit, "copy", 1.0, kept[unit]) for unit in sorted(kept) if copies[unit] == column]
    carried = _constants(ticket, stage)
    return [_term(unit, "constant", float(carried[unit]), kept[unit]) for unit in sorted(kept) if carried[unit]]


def _term(unit: int, path: str, inner: float, outer: float, *, slope: float = 1.0) -> dict[str, Any]:
    return {"unit": unit, "path": path, "inner": inner, "outer": outer, "product": slope * inner * outer}


def _constants(ticket: Ticket, stage: Stage) -> np.ndarray:
    """What each unit below a stage carries if it is a copy of the constant neuron, 0 for other units."""
    carried = np.zeros(0)
    layers = zip(target_layers(ticket), effective_maps(ticket), ticket.record["target"]["layers"], strict=True)
    for stages, maps, described in layers:
        if stages[-1] is stage:
            break
        carried = np.where(stages[-1].copies == described["shape"][0], _passed_on(maps, carried), 0.0)
    return carried


def _passed_on(maps: EffectiveMaps, carried: np.ndarray) -> np.ndarray:
    return maps.bias if maps.bias is not None else maps.positive @ carried
