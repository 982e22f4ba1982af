"""One-extra against two-layer tickets at equal output error: parameters, depth, seconds; five random parents each.

Also LeNet-300-100, magnitude-pruned to 18,600 weights and retrained: the target of the papers on depth L + 1.
Run `python experiments/one_extra/run.py`; `--tiny` does the same on the bundled digits in seconds and writes nothing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import behaviour, carry_out, dataset, over_seeds, proofs, sizes, trained

from tombola import Ball, Tolerance, construct, lightest, one_extra, sparsest, training, two_layer
from tombola.masks import bake_

POSITIVE = Ball(1.0, nonnegative=True)
COLUMNS = ["depth", "source parameters", "parent / bound", "kept", "kept per weight", "failures", "seconds"]
ERRORS = [
    "rms output error",
    "relative output error",
    "certificate ball",
    "attack ball",
    "accuracy change",
    "agreement",
]


@dataclass(frozen=True)
class Config:
    """Targets, weight tolerances in the weights' own unit, and parents."""

    data: str = "mnist"
    model: str = "mlp:784-500-10"
    pruned: str = "lenet-300-100"
    kept: int = 18_600
    two_layer: tuple[float, ...] = (0.01,)
    one_extra: tuple[float, ...] = (0.01, 0.005, 0.0025)
    lenet: tuple[float, ...] = (0.01, 0.001)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


def study(config: Config) -> dict[str, Any]:
    """Every row of the tables, seed by seed and as intervals."""
    loaded = dataset(config.data)
    model = trained(config.model, loaded, seed=0, bias=False)
    lenet = magnitude_pruned(trained(config.pruned, loaded, seed=0, bias=True), loaded, config.kept)
    settings = [("two-layer", model, two_layer, sparsest, epsilon) for epsilon in config.two_layer]
    settings += [("one-extra", model, one_extra, lightest, epsilon) for epsilon in config.one_extra]
    settings += [("lenet two-layer", lenet, two_layer, sparsest, epsilon) for epsilon in config.lenet]
    settings += [("lenet one-extra", lenet, one_extra, lightest, epsilon) for epsilon in config.lenet]
    runs = {}
    for name, target, construction, solver, epsilon in settings:
        label = f"{name} at {epsilon:g}"
        runs[label] = [run(seed, loaded, target, construction, solver, epsilon) for seed in config.seeds]
        print(f"done: {label}", file=sys.stderr)
    table = {name: over_seeds(rows) for name, rows in runs.items()}
    comparison = equal_error(table)
    print("at equal output error:", comparison, end="\n\n")
    return {"runs": runs, "table": table, "at equal output error": comparison}


def run(seed: int, loaded: Any, model: nn.Module, construction: Any, solver: Any, epsilon: float) -> dict[str, float]:  # noqa: ANN401
    """One ticket from one parent."""
    example, tolerance = torch.zeros(1, *loaded.input_shape), Tolerance(epsilon, absolute=True)
    ticket = construct(
        model, example, seed=seed, construction=construction, solver=solver, tolerance=tolerance, inputs=POSITIVE
    )
    proved = proofs(ticket, model, example, {"ball": POSITIVE}, tolerance)
    return {"seed": seed, "epsilon": epsilon, **sizes(ticket), **proved, **behaviour(ticket, model, loaded)}


def magnitude_pruned(model: nn.Module, loaded: Any, kept: int) -> nn.Module:  # noqa: ANN401
    """The model with its `kept` largest weights, retrained for one epoch; biases stay."""
    weights = {name: value.detach() for name, value in model.named_parameters() if value.ndim == 2}
    threshold = torch.cat([value.abs().flatten() for value in weights.values()]).topk(kept).values[-1]
    masks = {name: value.abs() >= threshold for name, value in weights.items()}
    bake_(model, masks)
    return training.fit(model, loaded, epochs=1, masks=masks, generator=torch.Generator().manual_seed(1))


def equal_error(table: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The coarsest one-extra tolerance whose output error is no larger than the two-layer ticket's, beside it."""
    reference = next(name for name in table if name.startswith("two-layer"))
    wanted = table[reference]["rms output error"]["mean"]
    fitting = [
        name for name in table if name.startswith("one-extra") and table[name]["rms output error"]["mean"] <= wanted
    ]
    if not fitting:
        return {"two-layer": reference, "one-extra": None}
    ratio = {
        key: table[fitting[0]][key]["mean"] / table[reference][key]["mean"]
        for key in ("source parameters", "kept", "depth", "seconds", "rms output error")
    }
    return {"two-layer": reference, "one-extra": fitting[0], "ratio": ratio}


if __name__ == "__main__":
    tiny = Config("digits", "mlp:64-32-10", "mlp:64-30-20-10", 900, (0.02,), (0.02, 0.005), (0.02,), (0, 1))
    carry_out(study, Config(), tiny, [COLUMNS, ERRORS])
