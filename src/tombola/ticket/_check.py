"""Whether a ticket is of one piece: everything it names is there, and everything that is there fits what is next to it.

What its numbers claim is not looked at here; that is what `verify` is for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import groupby, pairwise

import numpy as np

from tombola.random_source import matrix_shape

from ._check_group import check_addressed, check_group
from ._check_streams import check_copies, check_streams
from ._check_universal import check_universal
from ._encoding import LARGEST_AXIS, OwnerMask
from ._generations import check_generations
from ._graph import ticket_graph
from ._json import check_json
from ._ticket import Stage, Ticket

MASKED_RECORD = {"shapes": {str: [int]}, "fingerprints": {str: str}, "effective_sha256": str}
NETWORK = {"model": str, "input_shape": [int], "classes": int}
STRONG_RECORD = {
    "fingerprints": {str: str},
    "effective_sha256": str,
    "signed_layers": {str: bool},
    "certificate": {},
    "target": {
        "sha256": str,
        "input_shape": [int],
        "nodes": [{"name": str, "op": str, "inputs": [str], "shape": [int], "settings": {}}],
        "layers": [{"name": str, "shape": [int], "bias": bool, "relu": bool, "window": (dict, type(None))}],
    },
    "options": {
        "construction": str,
        "solver": str,
        "tolerance": {"weight_epsilon": float, "absolute": bool, "epsilon": (float, type(None))},
    },
    "report": {"weight_epsilon": float, "absolute": bool, "failures": int, "max_weight_error": float},
}


def check_ticket(ticket: Ticket) -> None:
    """Raises ValueError, which says what is wrong, unless a ticket can be used as what it says it is.

    Args:
        ticket: any ticket, from a file that need not be honest.
    """
    checks = {"strong": _check_strong, "masked": _check_masked, "universal": check_universal}
    if ticket.kind not in checks:
        raise ValueError(f"a ticket of kind {ticket.kind!r} is not known; known are {', '.join(checks)}")
    for name, tensor in ticket.tensors.items():
        if tensor.law is not None and ticket.source is None:
            raise ValueError(f"tensor {name!r} has a law, but there is no source")
        if max(tensor.mask.shape) > LARGEST_AXIS:
            raise ValueError(f"tensor {name!r} of shape {tensor.mask.shape} has too many rows or columns")
    _check_again(ticket)
    _check_values(ticket)
    checks[ticket.kind](ticket)


def _check_again(ticket: Ticket) -> None:
    """Weights that were drawn again: only masked tickets have such, and only at addresses."""
    for name, tensor in ticket.tensors.items():
        if not tensor.generations:
            continue
        if ticket.kind != "masked" or tensor.law is None or ticket.source is None:
            raise ValueError(f"tensor {name!r} cannot have been drawn again: it has no law, or is of a construction")
        if ticket.source.generation + len(tensor.generations) >= 2**32:
            raise ValueError(f"tensor {name!r} has generations beyond 2**32 - 1")
        check_generations(name, tensor.mask, tensor.generations)


def _check_values(ticket: Ticket) -> None:
    wanted = {name for name, tensor in ticket.tensors.items() if tensor.law is None}
    if set(ticket.values) != wanted:
        raise ValueError(
            f"values are saved for {sorted(ticket.values)}, but the tensors without a law are {sorted(wanted)}"
        )
    for name, value in ticket.values.items():
        if value.dtype != np.float32 or value.shape != ticket.tensors[name].mask.shape:
            raise ValueError(f"the saved values {name!r} fit no mask: {value.dtype} of shape {value.shape}")


def _check_masked(ticket: Ticket) -> None:
    check_json(ticket.record, MASKED_RECORD, "record")
    shapes = ticket.record["shapes"]
    if ticket.stages or set(shapes) != set(ticket.tensors):
        raise ValueError("a masked ticket has a shape for each of its tensors, and no stages")
    for name, tensor in ticket.tensors.items():
        if tensor.transposed or matrix_shape(shapes[name]) != tensor.mask.shape:
            raise ValueError(f"tensor {name!r} of shape {shapes[name]} has a mask of shape {tensor.mask.shape}")
    _check_uses(ticket.record.get("uses", {}), shapes)
    if "network" in ticket.record:
        _check_network(ticket.record["network"])


def _check_network(network: object) -> None:
    """Which network the masks are for, which a ticket need not say. Nothing is built or imported here."""
    check_json(network, NETWORK, "record.network")
    assert isinstance(network, dict)
    check_json(network.get("bias", True), bool, "record.network.bias")
    if not network["input_shape"] or min(*network["input_shape"], network["classes"]) < 1:
        shape, classes = network["input_shape"], network["classes"]
        raise ValueError(
            f"its network takes inputs of shape {shape} and has {classes} classes; wanted positive numbers"
        )


def _check_uses(uses: object, shapes: Mapping[str, object]) -> None:
    """How often weights are used, which a ticket need not say."""
    check_json(uses, {str: int}, "record.uses")
    assert isinstance(uses, dict)
    if wrong := [name for name, times in uses.items() if name not in shapes or times < 0]:
        raise ValueError(f"it says of {wrong[0]!r} that it is used {uses[wrong[0]]} times: no tensor, or no count")


def _check_strong(ticket: Ticket) -> None:
    check_json(ticket.record, STRONG_RECORD, "record")
    check_addressed(ticket)
    groups = [list(group) for _, group in groupby(ticket.stages, lambda stage: stage.layer)]
    _check_layers(ticket, groups)
    for stages in groups:
        check_group(ticket, stages)
    graph = ticket_graph(ticket)
    if not graph.dense and any(stage.copies is not None for stage in ticket.stages):
        return check_streams(ticket, groups, graph)
    (_check_chain if graph.dense else _check_pairs)(ticket, groups)


def _check_pairs(ticket: Ticket, groups: list[list[Stage]]) -> None:
    """Every layer of a graph is a pair of its own, which takes what the target's layer takes."""
    for stages, layer in zip(groups, ticket.record["target"]["layers"], strict=True):
        if len(stages) != 2:
            raise ValueError("without copies of its units, a graph has two stages for each layer")
        if ticket.tensors[stages[0].weight].inputs != layer["shape"][1] or not stages[0].relu:
            raise ValueError(f"the stages of layer {layer['name']!r} do not fit that layer of the target")
        if ticket.tensors[stages[0].weight].outputs != ticket.tensors[stages[1].weight].inputs:
            raise ValueError(f"{stages[1].weight!r} does not take the units of {stages[0].weight!r}")


def _check_chain(ticket: Ticket, groups: list[list[Stage]]) -> None:
    """Every stage but the last feeds the next one through a ReLU, and all but the first take one sign only."""
    _check_copies(ticket, groups)
    if len(groups[0]) == 1:
        raise ValueError(f"the first layer {groups[0][0].layer!r} must be a pair of stages")
    signed = ticket.record["signed_layers"]
    if any(signed[stages[0].layer] for stages in groups[1:]):
        raise ValueError(f"only the first of its layers can have two signs: {signed}")
    for before, stage in pairwise(ticket.stages):
        if ticket.tensors[before.weight].outputs != ticket.tensors[stage.weight].inputs:
            raise ValueError(
                f"{stage.weight!r} does not take the {ticket.tensors[before.weight].outputs} units of {before.weight!r}"
            )
        if not before.relu:
            raise ValueError(f"no ReLU follows {before.weight!r}, though it is not the last stage")


def _check_layers(ticket: Ticket, groups: list[list[Stage]]) -> None:
    """The target's layers, as the record describes them, next to the stages that stand for them."""
    described = ticket.record["target"]["layers"]
    names = [stages[0].layer for stages in groups]
    if not names or len(set(names)) != len(names) or [layer["name"] for layer in described] != names:
        raise ValueError(f"its stages stand for the layers {names}, its target has {[d['name'] for d in described]}")
    signed = ticket.record["signed_layers"]
    if set(signed) != set(names):
        raise ValueError(f"each of its layers must be said to have two signs or one: {signed}")
    for stages in groups:
        owned = len(stages) == 2 and isinstance(ticket.tensors[stages[0].weight].mask, OwnerMask)
        if signed[stages[0].layer] and not owned:
            raise ValueError(f"layer {stages[0].layer!r} has two signs, but its units are not owned by inputs")
    for stages, layer in zip(groups, described, strict=True):
        if stages[-1].relu != layer["relu"]:
            raise ValueError(f"layer {layer['name']!r} ends with a ReLU in the ticket or in its target, not in both")
        _check_outputs(ticket, stages, layer["shape"])
    if ticket.tensors[ticket.stages[0].weight].inputs != described[0]["shape"][1]:
        raise ValueError(f"its first stage does not take the {described[0]['shape'][1]} inputs of its target")


def _check_outputs(ticket: Ticket, stages: list[Stage], shape: list[int]) -> None:
    """The units that stand for a target layer of some shape, where there is one for each."""
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"layer {stages[0].layer!r} of its target has the shape {shape}")
    width, wanted = ticket.tensors[stages[-1].weight].outputs, shape[0] * math.prod(shape[2:])
    if stages[-1].copies is None and width != wanted:
        raise ValueError(f"layer {stages[0].layer!r} has {width} units for {wanted} of its target")


def _check_copies(ticket: Ticket, groups: list[list[Stage]]) -> None:
    """Units of a chain that are copies of those of the target, or of a constant one that biases may read."""
    described = ticket.record["target"]["layers"]
    constant = any(layer["bias"] for layer in described[1:])
    for stages, layer in zip(groups, described, strict=True):
        last = stages is groups[-1]
        width, copies, name = ticket.tensors[stages[-1].weight].outputs, stages[-1].copies, stages[0].layer
        if copies is None:
            continue
        check_copies(copies, width, layer["shape"][0] + (constant and not last), name)
        if stages[-1].bias is not None:
            raise ValueError(f"stage {stages[-1].weight!r} has a bias, where only hidden units of a pair can have one")
        if last and not np.array_equal(copies, np.arange(layer["shape"][0])):
            raise ValueError(f"the last layer {name!r} must have each output once, in order")
