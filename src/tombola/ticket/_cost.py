"""What the network of a ticket costs, from the ticket alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tombola.cost import Cost, cost_of_counts

from ._ticket import Ticket

FLOAT32 = 4  # bytes; what values are saved as


def ticket_cost(ticket: Ticket) -> Cost:
    """Parameters, multiply-adds and bytes of an ordinary network, dense and with its kept weights alone.

    Multiply-adds follow from how often weights are used, which a ticket says if `Ticket.from_masks` was given an
    example. One that does not is taken for a chain of linear layers, each used once, if its weights are matrices that
    fit onto each other in their order; of other networks they are not counted. Numbers have 4 bytes, as in the file.

    Args:
        ticket: of kind "masked".

    Raises:
        ValueError: for another kind: its parent is drawn anew from a seed, and never stored.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))
        >>> ticket = Ticket.from_masks(net, {"2.weight": torch.eye(10, 144).bool()}, example=torch.zeros(1, 1, 8, 8))
        >>> found = ticket_cost(ticket)
        >>> found.multiply_adds, found.kept_multiply_adds
        (2736, 1306)
        >>> ticket_cost(Ticket.from_masks(net, {})).not_counted
        ('0.weight', '2.weight')
    """
    if ticket.kind != "masked":
        raise ValueError(f"a {ticket.kind} ticket has no network of its own; take its module, and tombola.cost")
    shapes = {name: ticket.record["shapes"][name] for name in ticket.tensors}
    kept = {name: tensor.mask.kept for name, tensor in ticket.tensors.items()}
    uses = ticket.record["uses"] if "uses" in ticket.record else _chain(shapes)
    return cost_of_counts(shapes, kept, uses, bytes_each=dict.fromkeys(shapes, FLOAT32))


def _chain(shapes: dict[str, Sequence[int]]) -> dict[str, int]:
    """One use of each weight, if all are matrices of which each takes what the one before gives; otherwise none.

    Example:
        >>> _chain({"0.weight": (5, 3), "0.bias": (5,), "2.weight": (2, 5)})
        {'0.weight': 1, '2.weight': 1}
        >>> _chain({"conv.weight": (5, 3, 1, 1), "fc.weight": (2, 5)})
        {}
    """
    weights = {name: shape for name, shape in shapes.items() if len(shape) > 1}
    fits = all(len(shape) == 2 for shape in weights.values())
    fits = fits and all(after[1] == before[0] for before, after in pairwise(weights.values()))
    return dict.fromkeys(weights, 1) if fits else {}
