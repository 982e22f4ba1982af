"""One effective weight, taken apart into the kept source values that it is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from .effective import target_layers
from .ticket import Stage, Ticket


def explain(ticket: Ticket, layer: str, output: int, column: int | None) -> list[dict[str, Any]]:
    """The terms of one weight of a strong ticket, in ascending order of units.

    Args:
        ticket: a strong ticket.
        layer: name of the target layer.
        output: which output unit of the target; the first of its copies where it has several.
        column: which input unit of the target, or None for the bias.

    Returns:
        For each kept hidden unit: `unit`, `path` ("x > 0", "x < 0", or "copy" of an earlier neuron), `inner` and
        `outer` kept values, and their `product`. Empty for a weight that was zeroed.

    Raises:
        ValueError: if the ticket has no such layer or weight.
    """
    groups = {stages[0].layer: stages for stages in target_layers(ticket)}
    if layer not in groups:
        raise ValueError(f"the ticket has no layer {layer!r}; it has {', '.join(groups)}")
    stages = groups[layer]
    row = _position(stages[-1], output, ticket.tensors[stages[-1].weight].mask.shape[1])
    earlier = next((before[-1] for name, before in groups.items() if _follows(groups, name, layer)), None)
    return _copies(ticket, stages[0], earlier, row, column) if len(stages) == 1 else _products(ticket, stages, row, column)


def _follows(groups: dict[str, list[Stage]], name: str, layer: str) -> bool:
    names = list(groups)
    return names.index(name) + 1 == names.index(layer)


def _position(stage: Stage, unit: int, width: int) -> int:
    """Where a target unit stands among a stage's outputs."""
    places = np.arange(width) if stage.copies is None else stage.copies
    found = np.flatnonzero(places == unit)
    if not found.size:
        raise ValueError(f"layer {stage.layer!r} has no output {unit}; outputs go from 0 to {places.max(initial=0)}")
    return int(found[0])


def _kept_column(ticket: Ticket, name: str, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Which units keep their edge to a column, and the values of all their edges to it, float64."""
    tensor = ticket.tensors[name]
    rows, columns = tensor.mask.edges(0, tensor.mask.shape[0])
    if not 0 <= column < tensor.mask.shape[1]:
        raise ValueError(f"tensor {name!r} has the columns 0 to {tensor.mask.shape[1] - 1}, not {column}")
    kept = np.zeros(tensor.mask.shape[0], np.bool_)
    kept[rows[columns == column]] = True
    return kept, ticket.block(name, 0, tensor.mask.shape[0])[:, column].astype(np.float64)


def _products(ticket: Ticket, stages: list[Stage], row: int, column: int | None) -> list[dict[str, Any]]:
    name = stages[0].weight if column is not None else stages[0].bias
    if name is None:
        raise ValueError(f"layer {stages[0].layer!r} has no bias")
    fed, inner = _kept_column(ticket, name, 0 if column is None else column)
    used, outer = _kept_column(ticket, stages[1].weight, row)
    return [
        {
            "unit": int(unit),
            "path": "constant" if column is None else "x > 0" if inner[unit] > 0 else "x < 0",
            "inner": float(inner[unit]),
            "outer": float(outer[unit]),
            "product": float(inner[unit] * outer[unit]),
        }
        for unit in np.flatnonzero(fed & used)
    ]


def _copies(ticket: Ticket, stage: Stage, earlier: Stage | None, row: int, column: int | None) -> list[dict[str, Any]]:
    kept, values = _kept_column(ticket, stage.weight, row)
    copies = np.arange(kept.size) if earlier is None or earlier.copies is None else earlier.copies
    neuron = int(copies.max()) if column is None else column
    if not (copies == neuron).any():
        raise ValueError(f"layer {stage.layer!r} has no kept edge from input {neuron}; inputs go from 0 to {copies.max()}")
    return [
        {"unit": int(unit), "path": "copy", "inner": 1.0, "outer": float(values[unit]), "product": float(values[unit])}
        for unit in np.flatnonzero(kept & (copies == neuron))
    ]
