"""Whether a universal ticket is of one piece: its stages are the steps that its record names, and their sizes fit."""

from __future__ import annotations

from itertools import groupby

from tombola.activations import RELU

from ._check_group import check_addressed, check_group
from ._json import check_json
from ._ticket import Stage, Ticket

RECORD = {
    "family": {"name": str, "dimension": int, "tolerance": float, "settings": {}, "features": int},
    "steps": [{"name": str, "kind": str}],
    "options": {"construction": str, "width": int},
    "certificate": {"guarantee": str, "errors": [float]},
    "report": {"seconds": float},
    "fingerprints": {str: str},
    "effective_sha256": str,
}
BLOCK = {"channels": int, "high": float, "knots": [int]}
LINEAR = {"outputs": int}


def check_universal(ticket: Ticket) -> None:
    """Raises ValueError, which says what is wrong, unless a universal ticket is of one piece.

    Args:
        ticket: any ticket of kind "universal", from a file that need not be honest.
    """
    record = ticket.record
    check_json(record, RECORD, "record")
    check_addressed(ticket)
    groups = [list(group) for _, group in groupby(ticket.stages, lambda stage: stage.layer)]
    wanted = [layer for step in record["steps"] for layer in _layers(step)]
    if [stages[0].layer for stages in groups] != wanted or not wanted:
        raise ValueError(f"its stages stand for the layers {[stages[0].layer for stages in groups]}, wanted {wanted}")
    for stages in groups:
        _check_stages(ticket, stages)
    _check_kinds(ticket, wanted)
    if not all(stage.relu for stage in ticket.stages[:-1]) or ticket.stages[-1].relu:
        raise ValueError("a ReLU follows each of its stages but the last")
    _check_sizes(ticket, {stages[0].layer: stages for stages in groups})
    errors, proved = record["certificate"]["errors"], record["certificate"]["guarantee"] == "exact"
    if len(errors) != (record["family"]["features"] if proved else 0) or min(errors, default=0) < 0:
        raise ValueError("its certificate has no error for each of its features")


def _check_kinds(ticket: Ticket, layers: list[str]) -> None:
    """ReLUs throughout, names that differ, and one block, or blocks around an affine map with one behind it."""
    kinds = [step["kind"] for step in ticket.record["steps"]]
    if len(set(layers)) < len(layers):
        raise ValueError("two of its steps have the same name")
    if kinds[-1] != "block" or (len(kinds) > 1 and "linear" not in kinds):
        raise ValueError("a universal ticket is one block, or blocks around an affine map, and ends with a block")
    if "signed_layers" in ticket.record:
        raise ValueError("a universal ticket has no sums by sign: its inputs are never negative")
    if any(stage.activation != RELU for stage in ticket.stages):
        raise ValueError("a universal ticket has no other activation: all of its units are ReLUs")


def _layers(step: dict) -> list[str]:
    """The layers of a step: the knots and the values of a block, or the step itself."""
    if step["kind"] not in {"block", "linear"}:
        raise ValueError(f"a step of kind {step['kind']!r} is not known; known are 'block' and 'linear'")
    check_json(step, BLOCK if step["kind"] == "block" else LINEAR, f"step {step['name']!r}")
    return [f"{step['name']}.{part}" for part in ("knots", "values")] if step["kind"] == "block" else [step["name"]]


def _check_stages(ticket: Ticket, stages: list[Stage]) -> None:
    """One stage of hidden units that keep a weight and a bias, or a group as strong tickets have them."""
    if any(stage.copies is not None for stage in stages):
        raise ValueError(f"layer {stages[0].layer!r} has copies of units, which a universal ticket has not")
    if len(stages) > 1:
        return check_group(ticket, stages)
    weight, bias = stages[0].weight, stages[0].bias
    if ticket.tensors[weight].transposed or bias is None or not stages[0].layer.endswith(".knots"):
        raise ValueError(f"layer {stages[0].layer!r} is no single stage of knots")
    if ticket.tensors[bias].transposed or ticket.tensors[bias].mask.shape != (ticket.tensors[weight].mask.shape[0], 1):
        raise ValueError(f"bias {bias!r} does not fit its weight")


def _check_sizes(ticket: Ticket, groups: dict[str, list[Stage]]) -> None:
    """Every stage takes what the one before it gives; blocks take one coordinate at a time."""
    family, steps = ticket.record["family"], ticket.record["steps"]
    width = family["dimension"]
    for step in steps:
        linear = step["kind"] == "linear"
        made = _outputs(ticket, [stage for layer in _layers(step) for stage in groups[layer]], width if linear else 1)
        if made != (step["outputs"] if linear else step["channels"]):
            raise ValueError(f"step {step['name']!r} has {made} outputs, its record says otherwise")
        if not linear:
            _check_block(step, alone=len(steps) == 1)
        width = made if linear else width * made
    if width != family["features"] or sum(step["kind"] == "linear" for step in steps) > 1:
        raise ValueError(f"its steps give {width} features, its family has {family['features']}")


def _outputs(ticket: Ticket, stages: list[Stage], inputs: int) -> int:
    """How many units come out of stages one after the other."""
    for stage in stages:
        if ticket.tensors[stage.weight].inputs != inputs:
            raise ValueError(f"{stage.weight!r} does not take {inputs} units")
        inputs = ticket.tensors[stage.weight].outputs
    return inputs


def _check_block(step: dict, *, alone: bool) -> None:
    if len(step["knots"]) != step["channels"] or not step["high"] > 0:
        raise ValueError(f"block {step['name']!r} has no number of knots for each channel, or no interval")
    if step["channels"] != 1 and not alone:
        raise ValueError(f"block {step['name']!r} has several channels, and is not the only step of its ticket")
