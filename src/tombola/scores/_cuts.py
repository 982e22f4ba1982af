"""Where every path from the input of a network to its output runs through one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor


def cut_calls(made: Sequence[tuple[str, Any]], outputs: Tensor, x: Tensor) -> set[int]:
    """The numbers, from 1, of the calls whose result is such a place.

    A result that several calls hand on counts for the last of them. Calls in place are left out.

    Args:
        made: for each call its name and the autograd node of its result, or None.
        outputs: of the network.
        x: its input, a leaf that asks for a gradient.

    Example:
        >>> import torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> first = x * 2
        >>> last = first * 3 + first
        >>> cut_calls([("mul", first.grad_fn), ("add", last.grad_fn)], last, x)
        {1, 2}
    """
    order = _from_input(outputs.grad_fn, x)
    place = {node: number for number, node in enumerate(order)}
    furthest, cuts, ahead = 0, set(), _consumers(order, place)
    for number, node in enumerate(order):
        if furthest <= number:
            cuts.add(node)
        furthest = max(furthest, ahead[number])
    last = {node: number for number, (name, node) in enumerate(made, start=1) if node in cuts and not _in_place(name)}
    return set(last.values())


def _in_place(name: str) -> bool:
    return name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))


def _consumers(order: Sequence[Any], place: dict[Any, int]) -> list[int]:
    """For each node, the last one that takes its result."""
    last = [0] * len(order)
    for number, node in enumerate(order):
        for before, _ in node.next_functions:
            if before in place:
                last[place[before]] = max(last[place[before]], number)
    return last


def _from_input(end: Any, x: Tensor) -> list[Any]:  # noqa: ANN401 - autograd's nodes have no public type
    """The autograd nodes on paths from `x`, in an order in which each comes after what it depends on."""
    order, leads, stack = [], {}, [end] if end is not None else []
    while stack:
        node = stack[-1]
        before = [other for other, _ in node.next_functions if other is not None]
        waiting = [other for other in before if other not in leads]
        if node not in leads and waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if node in leads:
            continue
        leads[node] = getattr(node, "variable", None) is x or any(leads[other] for other in before)
        if leads[node]:
            order.append(node)
    return order
