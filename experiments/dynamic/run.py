"""Training a sparse network whose connections stay, or change, on bundled digits.

Run `python experiments/dynamic/run.py`; `--tiny` does little and writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import dataset, interval, markdown, write

from tombola import data, masks, models
from tombola.allocate import erk, random_masks
from tombola.dynamic import rigl, sparse_evolution, top_kast
from tombola.isolation import torch_threads
from tombola.training import cosine, evaluate, keep_pruned_

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Config:
    """A multilayer perceptron, trained for some 90 passes with momentum and a rate that falls along half a cosine."""

    data: str = "digits"
    model: str = "mlp:64-300-100-10"
    densities: tuple[float, ...] = (0.05, 0.02)
    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    fraction: float = 0.3
    every: int = 50
    long: int = 250
    margin: float = 0.1
    seeds: tuple[int, ...] = tuple(range(10))


def methods(config: Config, seed: int) -> dict[str, Callable[..., Any]]:
    """What is attached to the optimiser."""
    chance, steps = torch.Generator().manual_seed(1000 + seed), config.steps
    settings = {"steps": steps, "generator": chance, "fraction": config.fraction}
    return {
        "static": keep_pruned_,
        "SET": sparse_evolution(every=config.every, **settings),
        "RigL": rigl(every=config.every, **settings),
        "SET, long intervals": sparse_evolution(every=config.long, **settings),
        "RigL, long intervals": rigl(every=config.long, **settings),
        "Top-KAST": top_kast(every=config.every, margin=config.margin, generator=chance),
    }


def trained(
    config: Config, loaded: data.DataSet, seed: int, density: float | None, method: Callable[..., Any]
) -> dict[str, float]:
    """Accuracy in points, and the percentage of weights that were kept at any time."""
    generator = torch.Generator().manual_seed(seed)
    net = models.build(config.model, input_shape=loaded.input_shape, classes=loaded.classes, generator=generator)
    shapes = {name: weight.shape for name, weight in net.named_parameters() if weight.ndim > 1}
    kept = {} if density is None else random_masks(shapes, erk(shapes, density), generator=generator)
    optimiser = torch.optim.SGD(
        net.parameters(), lr=config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, cosine(config.steps))
    handle = method(optimiser, net, kept)
    x, y = loaded.train()
    for _, (inputs, labels) in zip(range(config.steps), passes(x, y, config.batch_size, generator), strict=False):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(inputs), labels).backward()
        optimiser.step()
        schedule.step()
    weights = {name: weight for name, weight in net.named_parameters() if name in kept}
    assert all((weights[name] != 0).sum() <= kept[name].sum() for name in kept)
    explored = getattr(handle, "explored", masks.density(kept))
    return {"accuracy": 100 * evaluate(net.eval(), *loaded.test()).accuracy, "explored": 100 * explored}


def passes(x: torch.Tensor, y: torch.Tensor, batch_size: int, generator: torch.Generator):  # noqa: ANN201 - a generator
    """Batches without end."""
    while True:
        yield from data.batches(x, y, batch_size=batch_size, generator=generator)


def study(config: Config) -> dict[str, Any]:
    """All methods, densities and seeds; accuracies also as differences from the static masks of the same seed."""
    loaded, runs = dataset(config.data), {}
    for seed in config.seeds:
        runs.setdefault("dense", []).append({"seed": seed} | trained(config, loaded, seed, None, keep_pruned_))
        for density in config.densities:
            rows = {name: trained(config, loaded, seed, density, made) for name, made in methods(config, seed).items()}
            for name, row in rows.items():
                gain = row["accuracy"] - rows["static"]["accuracy"]
                runs.setdefault(f"{name}, {density:.0%}", []).append({"seed": seed, "gain": gain} | row)
        print(f"seed {seed} is done", flush=True)
    keys = ("accuracy", "gain", "explored")
    table = {
        name: {key: interval([row[key] for row in rows]) for key in keys if key in rows[0]}
        for name, rows in sorted(runs.items(), key=lambda item: item[0].rpartition(", ")[2], reverse=True)
    }
    return {"runs": runs, "table": table}


def main() -> None:
    """Runs everything and writes it down."""
    started, is_tiny = time.perf_counter(), "--tiny" in sys.argv
    config = replace(Config(), steps=60, every=10, long=20, densities=(0.1,), seeds=(0, 1)) if is_tiny else Config()
    with torch_threads(1):
        body = study(config)
    print(markdown(body["table"], ["accuracy", "gain", "explored"]))
    if not is_tiny:
        write(HERE / "result.json", config, body, started)


if __name__ == "__main__":
    main()
