"""Whether the masks are such that kept edges may be multiplied along their paths, and that no edge leads nowhere."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from tombola._reference import reference_edges
from tombola.activations import RELU
from tombola.effective import ROWS, is_signed, stage_maps, target_layers
from tombola.ticket import OwnerMask, Stage, Ticket, TicketGraph, ticket_graph

from ._stream_masks import stream_masks_fit


def masks_fit(ticket: Ticket) -> bool:
    """Whether hidden units are linear where they are used, and units that are not used have no edges.

    Exact. Only then is the network of a strong ticket the product of its effective weights, and are the blocks of a
    universal ticket what its effective knots and values say. True for masked tickets, whose masks may be anything.

    Args:
        ticket: one that `check_ticket` accepts.
    """
    if ticket.kind == "masked":
        return True
    groups = target_layers(ticket)
    if not all(_hidden_units_fit(ticket, stages) for stages in groups):
        return False
    if ticket.kind == "universal":
        return _steps_fit(ticket, groups)
    graph = ticket_graph(ticket)
    if not all(_constants_reach_all_pixels(ticket, stages, graph) for stages in groups):
        return False
    copied = any(stage.copies is not None for stage in ticket.stages)
    return stream_masks_fit(ticket, graph) if copied and not graph.dense else _chain_fits(ticket)


def _hidden_units_fit(ticket: Ticket, stages: list[Stage]) -> bool:
    """Whether the units between the stages of one layer are linear where they are used, and all of use."""
    if len(stages) > 2:
        return _is_never_negative(ticket, stages) and _is_whole_throughout(ticket, stages)
    return len(stages) == 1 or (_is_linear(ticket, stages) and _is_whole(ticket, stages))


def _steps_fit(ticket: Ticket, groups: list[list[Stage]]) -> bool:
    """Whether the layers of a universal ticket are ReLUs on inputs of one sign, and random knots are all of use.

    That inputs are never negative needs no look at values: those of the ticket lie in [0, 1], all others come out of a
    ReLU. A layer of random knots has one stage; a unit of it that keeps a weight or a bias is read by the next layer.
    """
    if ticket.record.get("signed_layers") or any(stage.activation != RELU for stage in ticket.stages):
        return False
    for (stage, *others), above in pairwise(groups):
        if others:
            continue
        masks = [ticket.tensors[name].mask for name in (stage.weight, stage.bias) if name is not None]
        fed = np.any([mask.rows_kept() for mask in masks], axis=0)
        if not np.array_equal(fed, ticket.tensors[above[0].weight].mask.columns_kept()):
            return False
    return True


def _chain_fits(ticket: Ticket) -> bool:
    """Whether layers, one after the other, have edges from and to copies of the target's units only."""
    alive: np.ndarray | None = None  # which units of the layer below stand for a unit of the target; None: all
    for stages in target_layers(ticket):
        entry, end = ticket.tensors[stages[0].weight].mask, ticket.tensors[stages[-1].weight].mask
        if alive is not None and ((entry.rows_kept() if len(stages) == 1 else entry.columns_kept()) & ~alive).any():
            return False
        copies = stages[-1].copies
        alive = None if copies is None else copies >= 0
        if alive is not None and (end.columns_kept() & ~alive).any():
            return False
    return True


def _constants_reach_all_pixels(ticket: Ticket, stages: list[Stage], graph: TicketGraph) -> bool:
    """Whether constant units are read through the one tap only that never sees padding."""
    bias, window = stages[0].bias, graph.windows[stages[0].layer]
    if bias is None or window is None or len(stages) != 2:
        return True
    outer = stages[1].weight
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

    A unit with one input edge on inputs of two signs has a path for one of them, and a negative bias passes nothing on.
    In all other cases every edge into a hidden unit has to be positive, on inputs that are not negative.
    """
    inner, bias = stages[0].weight, stages[0].bias
    if stages[0].activation != RELU:
        return _is_gated(ticket, stages)
    if not is_signed(ticket, stages):
        for name in (inner, bias):
            if name is not None and not _all_positive(ticket, name):
                return False
    owned = ticket.tensors[inner].mask
    if isinstance(owned, OwnerMask) and bias is not None:
        return not (owned.rows_kept() & ticket.tensors[bias].mask.rows_kept()).any()
    return True


def _is_gated(ticket: Ticket, stages: list[Stage]) -> bool:
    """The same for other activations: a unit has one input edge or a bias alone, and padding cuts no offset off."""
    inner, bias = stages[0].weight, stages[0].bias
    owned = ticket.tensors[inner].mask
    window = ticket_graph(ticket).windows[stages[0].layer]
    if not isinstance(owned, OwnerMask) or (stages[0].activation.offset and window and any(window.padding)):
        return False
    return bias is None or not (owned.rows_kept() & ticket.tensors[bias].mask.rows_kept()).any()


def _all_positive(ticket: Ticket, name: str) -> bool:
    height = ticket.tensors[name].mask.shape[0]
    blocks = ((start, min(height, start + ROWS)) for start in range(0, height, ROWS))
    return all(bool((reference_edges(ticket, name, *block)[2] > 0).all()) for block in blocks)


def _is_whole(ticket: Ticket, stages: list[Stage]) -> bool:
    """Whether every hidden unit that takes something in passes something on, and the other way round."""
    fed = ticket.tensors[stages[0].weight].mask.rows_kept()
    if stages[0].bias is not None:
        fed = fed | ticket.tensors[stages[0].bias].mask.rows_kept()
    used = ticket.tensors[stages[1].weight].mask.rows_kept()
    if stages[0].activation.offset:
        return not (fed & ~used).any()  # a unit that takes nothing in passes a constant on
    return np.array_equal(fed, used)


def _is_never_negative(ticket: Ticket, stages: list[Stage]) -> bool:
    """Whether every hidden unit of three stages or more is a sum of inputs with weights that are not negative.

    Such a unit is linear on inputs that are not negative: its ReLU cuts nothing off.
    """
    if is_signed(ticket, stages) or any(stage.activation != RELU for stage in stages):
        return False
    *hidden, _ = stage_maps(ticket, stages, reference_edges)
    return all(bool((made >= 0).all()) for made in hidden)


def _is_whole_throughout(ticket: Ticket, stages: list[Stage]) -> bool:
    """Whether every hidden unit of three stages or more that takes something in passes something on, and vice versa."""
    first, *others = (ticket.tensors[stage.weight].mask for stage in stages)
    fed, bias = first.rows_kept(), stages[0].bias
    if bias is not None:
        fed = fed | ticket.tensors[bias].mask.rows_kept()
    for mask in others:
        if not np.array_equal(fed, mask.rows_kept()):
            return False
        fed = mask.columns_kept()
    return True
