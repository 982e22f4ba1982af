"""How large the random parent has to be, by construction: against the tolerance, and against the target's width.

Run `python experiments/parents/run.py`; `--tiny` does the same on small networks in seconds and writes nothing. Sizes
of blind blocks are those that their theorems ask for; all other parents are built.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import carry_out, interval, markdown, over_seeds, sizes

from tombola import Box, Ticket, Tolerance, construct, lightest, sparsest, two_layer
from tombola.activations import parse_activation
from tombola.strong import Parent, named_construction, on_parent, recommend
from tombola.subset_sum import counting_bound

UNIT, SIGNED = Box(0.0, 1.0), Box(-1.0, 1.0)
BUILT = ("two-layer", "depth-leveraged:2", "depth-leveraged:4", "one-extra")
BLIND = ("pensia", "fixed-size:3", "golden-ratio", "malach-product", "malach-box")
BOUND = "counting bound"
KIND_COLUMNS = ["parent per weight", "kept per weight", "certificate", "failures"]
LAWS = ("uniform", "normal", "signed_constant", "looks_linear")
OTHERS = ("leaky-relu:0.1", "tanh", "softsign", "elu", "gelu", "silu", "sigmoid", "softplus")
KINDS = {f"relu, {law}": ("relu", law, True) for law in LAWS}
KINDS |= {f"{name}, uniform": (name, "uniform", True) for name in OTHERS}
KINDS |= {f"{name}, uniform, no biases": (name, "uniform", False) for name in ("relu", "sigmoid")}
DETAILS = ["depth", "widest layer", "parent per weight", "kept per weight", "edges per sum", "failures"]


@dataclass(frozen=True)
class Config:
    """Networks `width-width-10` without biases, weights uniform on (-1, 1); the parent's size per weight of these."""

    tolerances: tuple[float, ...] = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    width: int = 64
    tolerance: float = 0.01
    outputs: int = 10
    seeds: tuple[int, ...] = (0, 1, 2)


def study(config: Config) -> dict[str, Any]:
    """Parent weights for each weight of the target at every point, by construction; null where one refuses."""
    points = {f"tolerance {epsilon:g}": (config.width, epsilon) for epsilon in config.tolerances}
    points |= {f"width {width}": (width, config.tolerance) for width in config.widths}
    table: dict[str, dict[str, Any]] = {name: {} for name in [*BUILT, *BLIND, BOUND]}
    runs: dict[str, list[dict[str, Any]]] = {}
    for point, (width, epsilon) in points.items():
        for name, found in theory(config, width, epsilon).items():
            table[name][point] = found and interval([found])
        for name in BUILT:
            rows = [run(config, name, width, epsilon, seed) for seed in config.seeds]
            runs[f"{name}, {point}"] = [row for row in rows if row]
            table[name][point] = interval([row["parent per weight"] for row in rows if row]) if all(rows) else None
        print(point, flush=True)
    for name in [*BUILT, *BLIND]:
        rows = [run(config, name, config.width, config.tolerance, seed) for seed in config.seeds]
        runs[f"{name}, in detail"] = [row for row in rows if row]
        found = over_seeds(rows) if all(rows) else {}
        table[name] |= {detail: found.get(detail) for detail in DETAILS}
    basis = dict.fromkeys(BUILT, "measured") | dict.fromkeys([*BLIND, BOUND], "theory")
    kinds = {name: over_seeds([kind(config, name, seed) for seed in config.seeds]) for name in KINDS}
    print(markdown(kinds, list(next(iter(kinds.values())))), end="\n\n")
    return {"runs": runs, "table": table, "basis": basis, "kinds": kinds}


def theory(config: Config, width: int, epsilon: float) -> dict[str, float | None]:
    """The parent that every theorem asks for, per weight of the target, and the least that any parent can have."""
    target = network(width, config.outputs, 0)
    weights = sum(weight.numel() for weight in target.parameters())
    found = recommend(target, torch.zeros(1, width), tolerance=Tolerance(epsilon), inputs=UNIT)
    asked = {one.construction.__name__: one.source_parameters / weights for one in found if one.basis == "theory"}
    needed = {name: asked.get(named_construction(name).__name__) for name in BLIND}
    return needed | {BOUND: counting_bound(weights, epsilon) / weights}


def run(config: Config, name: str, width: int, epsilon: float, seed: int) -> dict[str, float] | None:
    """One ticket of one target from one parent, or None where the construction refuses."""
    options = {"construction": named_construction(name), "solver": lightest if name == "one-extra" else sparsest}
    target, example, tolerance = network(width, config.outputs, seed), torch.zeros(1, width), Tolerance(epsilon)
    try:
        ticket = construct(target, example, seed=seed, tolerance=tolerance, inputs=UNIT, **options)
    except ValueError as error:
        print(f"{name} refuses {width} at {epsilon:g}: {error}", flush=True)
        return None
    return {"seed": seed, **measured(ticket)}


def kind(config: Config, name: str, seed: int) -> dict[str, float]:
    """A target with biases from two layers of another kind of parent, for inputs in [0, 1] and in [-1, 1]."""
    activation, law, biases = KINDS[name]
    construction = on_parent(two_layer, Parent(parse_activation(activation), law, biases))
    target, row = network(config.width, config.outputs, seed, bias=True), {}
    for place, inputs in (("[0, 1]", UNIT), ("[-1, 1]", SIGNED)):
        options = {"construction": construction, "tolerance": Tolerance(config.tolerance), "inputs": inputs}
        ticket = construct(target, torch.zeros(1, config.width), seed=seed, **options)
        found = measured(ticket) | {"certificate": float(ticket.record["certificate"]["bound"])}
        row |= {f"{column}, {place}": found[column] for column in KIND_COLUMNS}
    return row


def measured(ticket: Ticket) -> dict[str, float]:
    """What the parent and the ticket are like; a weight has a sum for each sign of its input and copy of its output."""
    found, weights = sizes(ticket), ticket.record["report"]["target_parameters"]
    return {
        "depth": len(ticket.stages),
        "widest layer": max(max(tensor.mask.shape) for tensor in ticket.tensors.values()),
        "parent per weight": found["source parameters"] / weights,
        "kept per weight": found["kept"] / weights,
        "edges per sum": found["kept per weight above tolerance"],
        "failures": found["failures"],
        "seconds": found["seconds"],
    }


def network(width: int, outputs: int, seed: int, *, bias: bool = False) -> nn.Module:
    """A target with uniform weights."""
    generator = torch.Generator().manual_seed(seed)
    layers = [nn.Linear(width, rows, bias=bias) for rows in (width, outputs)]
    for part in [part for layer in layers for part in layer.parameters()]:
        part.data = torch.rand(part.shape, generator=generator) * 2 - 1
    return nn.Sequential(layers[0], nn.ReLU(), layers[1])


if __name__ == "__main__":
    full = Config()
    columns = [[f"tolerance {one:g}" for one in full.tolerances], [f"width {one}" for one in full.widths], DETAILS]
    carry_out(study, full, Config((0.1, 0.05), (8, 16), 16, 0.05, 4, (0, 1)), columns)
