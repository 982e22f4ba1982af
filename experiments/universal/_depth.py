"""What depth of the source makes of its width, for a dense layer and for a family with several channels."""

from __future__ import annotations

from typing import Any

import torch
from _common import over_seeds
from _tickets import measured
from torch import nn

from tombola import Box, Tolerance, construct, two_layer
from tombola.strong import depth_leveraged
from tombola.ticket import Ticket
from tombola.universal import Family, build, orthogonal

DERIVED = {1: 528, 2: 288, 4: 176, 8: 120, 16: 92}  # widths of 32 inputs, a constant and 16 outputs, 16 units each
INPUTS, OUTPUTS = 32, 16


def depth(config: Any) -> dict[str, Any]:  # noqa: ANN401
    """A dense layer, and a family with several channels, at several depths of the source."""
    layers = {f"k = {k}": [layer(config, k, seed) for seed in config.depth_seeds] for k in config.stages}
    family = orthogonal(1, 3, tolerance=5e-2)
    makers = {"two-layer": two_layer, "depth-leveraged:2": depth_leveraged(2), "depth-leveraged:4": depth_leveraged(4)}
    channels = {name: [channel(family, maker, seed) for seed in config.depth_seeds] for name, maker in makers.items()}
    first = layers[f"k = {config.stages[0]}"]
    for k, rows in zip(config.stages, layers.values(), strict=True):
        for row, one in zip(rows, first, strict=True):
            row["width / own k = 1"] = row["widest layer"] / one["widest layer"]
            row["width / 528"] = row["widest layer"] / DERIVED[1]
            row["derived width"] = DERIVED[k]
            row["width / derived"] = row["widest layer"] / DERIVED[k]
            row["error / own k = 1"] = row["output error"] / one["output error"]
    missed = sum(row["failures"] + (row["output error"] > row["bound"]) for rows in layers.values() for row in rows)
    missed += sum(row["sup error"] > row["bound"] for rows in channels.values() for row in rows)
    tables = {"dense layer 32 to 16": layers, "Chebyshev 1 to 3 at 5e-2": channels}
    return {
        "runs": tables,
        "tables": {title: {name: over_seeds(rows) for name, rows in runs.items()} for title, runs in tables.items()},
        "violations": missed,
    }


def layer(config: Any, k: int, seed: int) -> dict[str, Any]:  # noqa: ANN401
    """One dense layer with biases at one depth: the largest error of an output in its own unit."""
    generator = torch.Generator().manual_seed(seed)
    target = nn.Linear(INPUTS, OUTPUTS)
    weights = torch.randn(OUTPUTS, INPUTS + 1, generator=generator)
    weights /= weights.abs().max()
    target.weight, target.bias = nn.Parameter(weights[:, :-1].contiguous()), nn.Parameter(weights[:, -1].contiguous())
    options = {"tolerance": Tolerance(weight_epsilon=0.01, absolute=True), "inputs": Box(0.0, 1.0)}
    net, example = nn.Sequential(target), torch.zeros(1, INPUTS)
    ticket = construct(net, example, seed=seed, construction=depth_leveraged(k), **options)
    x = torch.rand(config.inputs, INPUTS, generator=generator)
    with torch.no_grad():
        error = float((ticket.module(form="sparse")(x) - net(x)).abs().max())
    report = ticket.record["report"]
    return {
        "seed": seed,
        "depth": len(ticket.stages),
        **shape(ticket),
        "output error": error,
        "bound": float(ticket.record["certificate"]["bound"]),
        "max weight error": report["max_weight_error"],
        "failures": report["failures"],
    }


def channel(family: Family, construction: Any, seed: int) -> dict[str, Any]:  # noqa: ANN401
    """One ticket of a family at one depth."""
    found = measured(family, construction, seed)
    ticket = build(family, seed=seed, construction=construction)
    errors = {key: found[key] for key in ("bound", "sup error")}
    return {"seed": seed, "depth": len(ticket.stages), **shape(ticket), **errors}


def shape(ticket: Ticket) -> dict[str, int]:
    """The widest hidden layer, and how many edges are kept."""
    widest = max(max(tensor.mask.shape) for tensor in ticket.tensors.values())
    return {"widest layer": widest, "kept": ticket.kept, "source parameters": ticket.source_parameters}
