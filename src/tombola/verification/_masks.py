"""Whether the masks are such that kept edges may be multiplied along their paths, and that no edge leads nowhere."""

from __future__ import annotations

import numpy as np

from tombola._reference import reference_edges
from tombola.effective import ROWS, is_signed, target_layers
from tombola.ticket import OwnerMask, Stage, Ticket, TicketGraph, ticket_graph


def masks_fit(ticket: Ticket) -> bool:
    """Whether hidden units of pairs are linear where they are used, and units that are not used have no edges.

    Exact. Only then is the network of a strong ticket the product of its effective weights. True for masked tickets,
    whose masks may be anything.

    Args:
        ticket: one that `check_ticket` accepts.
    """
    graph = ticket_graph(ticket) if ticket.kind == "strong" else None
    alive: np.ndarray | None = None  # which units of the layer below stand for a unit of the target; None: all
    for stages in target_layers(ticket):
        pair = len(stages) == 2
        if pair and not (_is_linear(ticket, stages) and _is_whole(ticket, stages)):
            return False
        if pair and graph and not _constants_reach_all_pixels(ticket, stages, graph):
            return False
        entry, end = ticket.tensors[stages[0].weight].mask, ticket.tensors[stages[-1].weight].mask
        if alive is not None and ((entry.columns_kept() if pair else entry.rows_kept()) & ~alive).any():
            return False
        copies = stages[-1].copies
        alive = None if copies is None else copies >= 0
        if alive is not None and (end.columns_kept() & ~alive).any():
            return False
    return True


def _constants_reach_all_pixels(ticket: Ticket, stages: list[Stage], graph: TicketGraph) -> bool:
    """Whether constant units are read through the one tap only that never sees padding."""
    bias, outer, window = stages[0].bias, stages[1].weight, graph.windows[stages[0].layer]
    if bias is None or window is None:
        return True
    tap = graph.bias_tap(stages[0].layer)
    constant = ticket.tensors[bias].mask.rows_kept()
    height = ticket.tensors[outer].mask.shape[0]
    for start in range(0, height, ROWS):
        rows, columns, _ = reference_edges(ticket, outer, start, min(height, start + ROWS))
        if (columns[constant[rows]] % window.taps != tap).any():
            return False
    return True


def _is_linear(ticket: Ticket, stages: list[Stage]) -> bool:
    """Whether a ReLU between two stages changes nothing but, where inputs have two signs, to tell these apart.

    A unit with one input edge on inputs of two signs has a path for one of them. In all other cases every edge into a
    hidden unit has to be positive, on inputs that are not negative.
    """
    inner, bias = stages[0].weight, stages[0].bias
    signed = is_signed(ticket, stages)
    for name in (None if signed else inner, bias):
        if name is not None and not _all_positive(ticket, name):
            return False
    owned = ticket.tensors[inner].mask
    if isinstance(owned, OwnerMask) and bias is not None:
        return not (owned.rows_kept() & ticket.tensors[bias].mask.rows_kept()).any()
    return True


def _all_positive(ticket: Ticket, name: str) -> bool:
    height = ticket.tensors[name].mask.shape[0]
    blocks = ((start, min(height, start + ROWS)) for start in range(0, height, ROWS))
    return all(bool((reference_edges(ticket, name, *block)[2] > 0).all()) for block in blocks)


def _is_whole(ticket: Ticket, stages: list[Stage]) -> bool:
    """Whether every hidden unit that takes something in passes something on, and the other way round."""
    fed = ticket.tensors[stages[0].weight].mask.rows_kept()
    if stages[0].bias is not None:
        fed = fed | ticket.tensors[stages[0].bias].mask.rows_kept()
    return np.array_equal(fed, ticket.tensors[stages[1].weight].mask.rows_kept())
