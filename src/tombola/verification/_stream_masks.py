"""Whether the edges of a ticket with copies of channels lead from copies and constants to copies alone."""

from __future__ import annotations

import numpy as np

from tombola._reference import reference_edges
from tombola.effective import ROWS, target_layers
from tombola.graph import Units
from tombola.ticket import Stage, Ticket, TicketGraph


def stream_masks_fit(ticket: Ticket, graph: TicketGraph) -> bool:
    """Whether every unit of a graph that is read is a copy of a channel, or a constant that is read evenly.

    What a unit is follows from the layers' own copies, biases and kept edges, forwards through all operations: copies
    of the same channel add up to a copy, constants to a constant, all else to something that nobody may read. Exact.

    Args:
        ticket: one that `check_ticket` accepts, a graph whose layers have copies.
        graph: of its target.
    """
    streams, made = graph.streams, {}
    for stages in target_layers(ticket):
        found = _made(ticket, stages[-1])
        if found is None:
            return False
        made[stages[0].layer] = found
    relu = {stages[-1].layer for stages in target_layers(ticket) if stages[-1].relu}
    units = streams.units(made, relu)
    singles = [stages[0] for stages in target_layers(ticket) if len(stages) == 1]
    if not all(_reads_well(ticket, stage, units[streams.takes[stage.layer]], graph) for stage in singles):
        return False
    read = {stream: np.zeros(0, np.int64) for stream in streams.of.values()}
    for stage in singles:
        stream = streams.of[streams.takes[stage.layer]]
        read[stream] = np.union1d(read[stream], np.flatnonzero(ticket.tensors[stage.weight].mask.rows_kept()))
    return all(
        np.isin(np.flatnonzero(one.copies < 0)[one.values[one.copies < 0] != 0], read[streams.of[layer]]).all()
        for layer, one in made.items()
    )


def _made(ticket: Ticket, stage: Stage) -> Units | None:
    """What the units of a layer's result are; None if one that is no copy takes edges in, or a copy has a bias."""
    assert stage.copies is not None
    copies, biases = stage.copies.astype(np.int64), np.zeros(stage.copies.size)
    if stage.bias is not None:
        rows, _, values = reference_edges(ticket, stage.bias, 0, copies.size)
        biases[rows] = values
    fed = ticket.tensors[stage.weight].mask.columns_kept().reshape(copies.size, -1).any(axis=1)
    if ((copies >= 0) & (biases != 0)).any() or (fed & (copies < 0)).any():
        return None
    return Units(copies, np.where(copies >= 0, np.nan, biases))


def _reads_well(ticket: Ticket, stage: Stage, below: Units, graph: TicketGraph) -> bool:
    """Whether a stage reads copies and constants alone, and these through the one tap that never sees padding."""
    assert stage.copies is not None
    mask, window = ticket.tensors[stage.weight].mask, graph.windows[stage.layer]
    constant = (below.copies < 0) & ~np.isnan(below.values) & (below.values != 0)
    if (mask.rows_kept() & (below.copies < 0) & ~constant).any():
        return False
    if window is None:
        return True
    tap = graph.bias_tap(stage.layer)
    for start in range(0, mask.shape[0], ROWS):
        rows, columns = mask.edges(start, min(mask.shape[0], start + ROWS))
        if (columns[constant[rows]] % window.taps != tap).any():
            return False
    return True
