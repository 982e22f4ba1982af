"""Two-layer tickets of networks trained on real MNIST, five random parents each: sizes, certificates, accuracy, time.

Run `python experiments/two_layer/run.py`; `--tiny` does the same on the bundled digits in seconds and writes nothing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import behaviour, carry_out, dataset, over_seeds, proofs, sizes, trained

from tombola import Ball, Box, Tolerance, construct, nearest, sparsest
from tombola.strong import InputSet

POSITIVE, UNIT = Ball(1.0, nonnegative=True), Box(0.0, 1.0)
COLUMNS = ["parent / bound", "units per input", "kept per weight", "kept per weight above tolerance", "failures"]
PROOFS = ["certificate ball", "attack ball", "ratio ball", "ratio box", "accuracy change", "agreement", "seconds"]


@dataclass(frozen=True)
class Config:
    """The published setting: a bias-free 784-500-10 network, weight tolerance 0.01 in the weights' own unit."""

    data: str = "mnist"
    model: str = "mlp:784-500-10"
    epsilon: float = 0.01
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    uniform: tuple[int, int] = (500, 200)


def study(config: Config) -> dict[str, Any]:
    """Every row of the table, seed by seed and as intervals."""
    loaded = dataset(config.data)
    model = trained(config.model, loaded, seed=0, bias=False)
    fine = config.epsilon / 5
    settings: dict[str, tuple[nn.Module, Any, float, InputSet]] = {
        f"sparsest at {config.epsilon:g}": (model, sparsest, config.epsilon, POSITIVE),
        f"nearest at {config.epsilon:g}": (model, nearest, config.epsilon, POSITIVE),
        f"sparsest at {fine:g}": (model, sparsest, fine, POSITIVE),
        f"sparsest at {config.epsilon:g}, signed inputs": (model, sparsest, config.epsilon, Ball(1.0)),
        f"uniform weights at {config.epsilon:g}": (uniform_layer(*config.uniform), sparsest, config.epsilon, POSITIVE),
    }
    construct(model, torch.zeros(1, *loaded.input_shape), solver=nearest)  # compiles what the timings should not hold
    runs = {name: [run(seed, loaded, *setting) for seed in config.seeds] for name, setting in settings.items()}
    return {"runs": runs, "table": {name: over_seeds(rows) for name, rows in runs.items()}}


def run(seed: int, loaded: Any, model: nn.Module, solver: Any, epsilon: float, inputs: InputSet) -> dict[str, float]:  # noqa: ANN401
    """One ticket from one parent."""
    image = next(model.parameters()).shape[1] == int(np.prod(loaded.input_shape))
    example = torch.zeros(1, *(loaded.input_shape if image else next(model.parameters()).shape[1:]))
    tolerance = Tolerance(epsilon, absolute=True)
    ticket = construct(model, example, seed=seed, solver=solver, tolerance=tolerance, inputs=inputs)
    units = ticket.tensors[ticket.stages[0].weight].mask.shape[0]
    sets = {"ball": inputs} | ({"box": UNIT} if inputs is POSITIVE else {})
    row = {"seed": seed, **sizes(ticket), "units per input": units / example[0].numel()}
    row |= proofs(ticket, model, example, sets, tolerance)
    return row | (behaviour(ticket, model, loaded) if image else {})


def uniform_layer(inputs: int, outputs: int) -> nn.Module:
    """One layer of weights uniform on (-1, 1): the targets that the theory speaks of."""
    layer = nn.Linear(inputs, outputs, bias=False)
    weight = torch.rand(outputs, inputs, generator=torch.Generator().manual_seed(0)) * 2 - 1
    layer.weight = nn.Parameter(weight)
    return nn.Sequential(layer)


if __name__ == "__main__":
    tiny = Config("digits", "mlp:64-32-10", 0.01, (0, 1), (20, 30))
    carry_out(study, Config(), tiny, [COLUMNS, PROOFS])
