"""Whether the stages of one layer are a single stage, a pair with owned hidden units, or a deep group."""

from __future__ import annotations

from ._encoding import OwnerMask
from ._ticket import Stage, Ticket


def check_addressed(ticket: Ticket) -> None:
    """Every tensor has a law, and stands in one place of one stage."""
    if any(tensor.law is None for tensor in ticket.tensors.values()):
        raise ValueError(f"a {ticket.kind} ticket saves no values: all of its weights are the source's")
    used = [name for stage in ticket.stages for name in (stage.weight, stage.bias) if name is not None]
    if sorted(used) != sorted(ticket.tensors):
        raise ValueError(f"its stages use the tensors {sorted(used)}, and there are {sorted(ticket.tensors)}")


def check_group(ticket: Ticket, stages: list[Stage]) -> None:
    """One stage, two with hidden units between them that are owned on one side, or more."""
    if len(stages) > 2:
        return _check_deep(ticket, stages)
    sides = [ticket.tensors[stage.weight] for stage in stages]
    if [side.transposed for side in sides] not in ([True], [False, True]):
        raise ValueError(f"layer {stages[0].layer!r} is neither one stage nor a pair")
    if stages[-1].bias is not None and stages[-1].copies is None:
        raise ValueError(f"stage {stages[-1].weight!r} has a bias, where only hidden units of a pair can have one")
    if len(stages) == 1:
        return
    if stages[0].copies is not None:
        raise ValueError(f"the hidden units of layer {stages[0].layer!r} are no copies of the target's units")
    if sum(isinstance(side.mask, OwnerMask) for side in sides) != 1:
        raise ValueError(f"the hidden units of layer {stages[0].layer!r} must have one owner each, on one side")
    _check_bias(ticket, stages[0])


def _check_deep(ticket: Ticket, stages: list[Stage]) -> None:
    """More than two stages, one after the other; whether their widths fit is checked for the whole chain."""
    first, *others = (ticket.tensors[stage.weight].transposed for stage in stages)
    if first or not all(others):
        raise ValueError(f"of the stages of layer {stages[0].layer!r} all but the first must have transposed weights")
    if any(stage.bias is not None for stage in stages[1:]) or any(stage.copies is not None for stage in stages[:-1]):
        raise ValueError(f"of the stages of layer {stages[0].layer!r} only the first has biases, only the last copies")
    _check_bias(ticket, stages[0])


def _check_bias(ticket: Ticket, stage: Stage) -> None:
    if stage.bias is None:
        return
    bias, weight = ticket.tensors[stage.bias], ticket.tensors[stage.weight]
    if bias.transposed or bias.mask.shape != (weight.mask.shape[0], 1):
        raise ValueError(f"bias {stage.bias!r} of shape {bias.mask.shape} does not fit its weight")
