"""Iterative magnitude pruning of LeNet-300-100 on MNIST, with the settings of the published runs.

Run `python experiments/imp/run.py`; seeds that are recorded already are not run again. `--seeds 0,1` runs some of them;
`--tiny` does little on bundled digits and writes nothing.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import dataset, interval, write

from tombola import models
from tombola.imp import imp, prunable
from tombola.schedules import geometric
from tombola.training import Trainer, evaluate, sgd

HERE = Path(__file__).parent
PUBLISHED = {0: 98.11, 5: 98.00, 10: 98.08, 15: 97.94, 20: 97.23}  # accuracies of a re-run with the same settings


@dataclass(frozen=True)
class Config:
    """The settings of the published runs: constant learning rate, no momentum, output layer not pruned."""

    data: str = "mnist"
    model: str = "lenet-300-100"
    epochs: int = 40
    batch_size: int = 128
    learning_rate: float = 0.1
    levels: int = 20
    factor: float = 0.8
    exclude: tuple[str, ...] = ("fc3.weight",)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


def run(config: Config, seed: int) -> dict[str, Any]:
    """One network, level by level; accuracies in points."""
    loaded, started = dataset(config.data), time.perf_counter()
    steps = config.epochs * -(-len(loaded.y_train) // config.batch_size)
    generator = torch.Generator().manual_seed(seed)
    net = models.build(config.model, input_shape=loaded.input_shape, classes=loaded.classes, generator=generator)
    train = Trainer(loaded, steps, batch_size=config.batch_size, optimiser=sgd(config.learning_rate, momentum=0.0))
    names, rows = prunable(net, exclude=config.exclude), []
    schedule = geometric(config.levels, factor=config.factor)
    for level in imp(net, train, stop=steps, schedule=schedule, names=names, seed=seed):
        accuracy = 100 * evaluate(level.model, *loaded.test()).accuracy
        rows.append({"level": level.number, "kept": level.kept, "density": level.density, "accuracy": accuracy})
        print(f"seed {seed}, level {level.number}: density {level.density:.4f}, accuracy {accuracy:.2f}", flush=True)
    return {"seed": seed, "levels": rows, "seconds": time.perf_counter() - started}


def table(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Every level over the seeds, beside the published accuracy, and less that of the dense network."""
    found = {}
    for number, row in enumerate(runs[0]["levels"]):
        accuracies = [one["levels"][number]["accuracy"] for one in runs]
        changes = [one["levels"][number]["accuracy"] - one["levels"][0]["accuracy"] for one in runs]
        found[f"level {number}"] = {
            "density": row["density"],
            "accuracy": interval(accuracies),
            "change": interval(changes),
            "published": PUBLISHED.get(number),
        }
    return found


def main() -> None:
    """Runs the seeds that are missing, and writes what is there after each."""
    if "--tiny" in sys.argv:
        body = run(replace(Config(), data="digits", epochs=2, levels=2), 0)
        assert [row["kept"] for row in body["levels"]] == sorted((r["kept"] for r in body["levels"]), reverse=True)
        return
    config, path = Config(), HERE / "result.json"
    wanted = config.seeds
    if "--seeds" in sys.argv:
        wanted = tuple(int(seed) for seed in sys.argv[sys.argv.index("--seeds") + 1].split(","))
    for seed in wanted:
        runs = json.loads(path.read_text())["runs"] if path.exists() else []
        if seed in [one["seed"] for one in runs]:
            continue
        started = time.perf_counter()
        made = run(config, seed)
        runs = json.loads(path.read_text())["runs"] if path.exists() else []
        runs = sorted([*runs, made], key=lambda one: one["seed"])
        write(path, config, {"runs": runs, "table": table(runs)}, started)


if __name__ == "__main__":
    main()
