"""Rewinding weights, rewinding the learning rate and fine-tuning: a narrow ResNet-20 on a part of CIFAR-10.

Run `python experiments/rewinding/run.py`; seeds that are recorded already are not run again. `--seeds 0,1` runs some of
them; `--table` prints the tables of the record; `--tiny` does little on bundled digits and writes nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import dataset, write
from _tables import AGAIN, DENSE, EARLY, LATE, RANDOM, RATE, TUNED, markdown, table

from tombola import models
from tombola.data import DataSet, Scaling, batches
from tombola.imp import Level, Rewind, barrier, fine_tuning, imp, learning_rate, shuffled, weights
from tombola.schedules import given
from tombola.training import Trainer, evaluate, sgd, stepwise

HERE = Path(__file__).parent
CONTROL, COPY, LONGER = 1000, 2000, 3000  # added to the seed: random control, ends of lines, longer dense training


@dataclass(frozen=True)
class Config:
    """The published settings for ResNet-20, but for width, images, their size, epochs and the number of levels."""

    data: str = "cifar10"
    images: int = 10_000  # the first ones of the training set
    halved: bool = True  # 16 x 16 pixels, each the mean of four
    model: str = "resnet-20x0.5"
    epochs: int = 8
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    drops: tuple[float, ...] = (0.5, 0.75)  # of the run; the rate falls tenfold
    rewind: float = 0.04  # of the run: where k is
    densities: tuple[float, ...] = (0.512, 0.210, 0.107)
    points: int = 11  # on a line between two networks
    line_images: int = 5000  # of the test set, for errors on the line
    norm_images: int = 2000  # of the training set, for statistics of batch norm on the line
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


def pictures(config: Config) -> DataSet:
    """The images that are used, small, and standardised over those that are trained on."""
    full = dataset(config.data)
    x, y, test = full.x_train[: config.images].float(), full.y_train[: config.images], full.x_test.float()
    if config.halved:
        x, test = nn.functional.avg_pool2d(x, 2), nn.functional.avg_pool2d(test, 2)
    scaling = Scaling("standard", float(x.double().mean()), float(x.double().std(correction=0)))
    return replace(full, x_train=x, y_train=y, x_test=test, scaling=scaling)


class Run:
    """What all networks of one seed share."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config, self.seed, self.data = config, seed, pictures(config)
        self.steps = config.epochs * -(-len(self.data.y_train) // config.batch_size)
        self.k = round(config.rewind * self.steps)
        optimiser = sgd(config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay)
        rate = stepwise([int(part * self.steps) for part in config.drops])
        self.train = Trainer(self.data, self.steps, batch_size=config.batch_size, optimiser=optimiser, rate=rate)
        self.net = self.drawn(torch.Generator().manual_seed(seed))
        self.dense = next(self.levels(weights(self.k)))

    def drawn(self, generator: torch.Generator) -> nn.Module:
        """A network at initialisation."""
        shape, classes = self.data.input_shape, self.data.classes
        return models.build(self.config.model, input_shape=shape, classes=classes, generator=generator)

    def levels(self, rewind: Rewind, after: Level | None = None) -> Iterator[Level]:
        """Iterative pruning of the network, from its beginning or behind a level."""
        schedule = given(self.config.densities)
        return imp(self.net, self.train, stop=self.steps, schedule=schedule, rewind=rewind, seed=self.seed, after=after)

    def row(self, method: str, model: nn.Module, level: Level) -> dict[str, Any]:
        """A network on the whole test set, its accuracy in points."""
        accuracy = 100 * evaluate(model, *self.data.test()).accuracy
        print(f"seed {self.seed}, {method}: density {level.density:.3f}, accuracy {accuracy:.2f}", flush=True)
        found = {"method": method, "level": level.number, "kept": level.kept, "density": level.density}
        return found | {"accuracy": accuracy}

    def methods(self) -> list[dict[str, Any]]:
        """Every way back at every density, behind one dense network, and the random control at the last density."""
        ways = {LATE: weights(self.k), EARLY: weights(), RATE: learning_rate(), TUNED: fine_tuning(self.steps)}
        rows, last = [self.row(DENSE, self.dense.model, self.dense)], {}
        for method, rewind in ways.items():
            for level in self.levels(rewind, self.dense):
                rows.append(self.row(method, level.model, level))
                last[method] = level
        generator = torch.Generator().manual_seed(CONTROL + self.seed)
        masks = shuffled(last[LATE].masks, generator=generator)
        control = self.train(self.drawn(generator), masks, start=0, stop=self.steps, generator=generator)
        return [*rows, self.row(RANDOM, control, last[LATE]), *self.longer()]

    def longer(self) -> list[dict[str, Any]]:
        """The dense network, trained over and over as long as learning-rate rewinding trains, and never pruned."""
        generator, model, rows = torch.Generator().manual_seed(LONGER + self.seed), self.dense.model, []
        for number in range(1, len(self.config.densities) + 1):
            model = self.train(model, {}, start=0, stop=self.steps, generator=generator)
            rows.append(self.row(AGAIN, model, replace(self.dense, number=number)))
        return rows

    def instability(self) -> list[dict[str, Any]]:
        """Lines between the dense network and a copy in another order of examples, from the beginning and from k on."""
        rows = []
        for start in (0, self.k):
            generator = torch.Generator().manual_seed(COPY + self.seed)
            begun = self.dense.begun if start else self.train(self.net, {}, start=0, stop=self.k, generator=generator)
            copy = self.train(begun, {}, start=self.k, stop=self.steps, generator=generator)
            line = barrier(self.dense.model, copy, self.error, points=self.config.points)
            rows.append({"step": start, "barrier": 100 * line.height, "errors": (100 * line.errors).tolist()})
            print(f"seed {self.seed}, copies from step {start}: barrier {100 * line.height:.2f}", flush=True)
        return rows

    def error(self, model: nn.Module) -> float:
        """The error of a network on a part of the test set, after its batch norm has seen training images again."""
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over batches
        model.train()
        x, y, count = self.data.x_train, self.data.y_train, self.config.norm_images
        with torch.no_grad():
            for stored, _ in batches(x[:count], y[:count], batch_size=500):
                model(self.data.scaling(stored))
        inputs, labels = self.data.test()
        return 1 - evaluate(model, inputs[: self.config.line_images], labels[: self.config.line_images]).accuracy


def run(config: Config, seed: int) -> dict[str, Any]:
    """All networks of a seed."""
    started, made = time.perf_counter(), Run(config, seed)
    rows, lines = made.methods(), made.instability()
    body = {"seed": seed, "steps": made.steps, "k": made.k, "rows": rows, "lines": lines}
    return body | {"seconds": time.perf_counter() - started}


def recorded(path: Path) -> list[dict[str, Any]]:
    """The seeds that are there already."""
    return json.loads(path.read_text())["runs"] if path.exists() else []


def main() -> None:
    """Runs the seeds that are missing, and writes what is there after each."""
    if "--tiny" in sys.argv:
        small = replace(
            Config(), data="digits", images=256, halved=False, model="resnet-20x0.25", epochs=2, rewind=0.25
        )
        runs = [run(small, seed) for seed in (0, 1)]
        assert all(0 < row["kept"] <= runs[0]["rows"][0]["kept"] for row in runs[0]["rows"])
        print(markdown(table(runs)))
        return
    config, path = Config(), HERE / "result.json"
    if "--table" in sys.argv:
        print(markdown(json.loads(path.read_text())["table"]))
        return
    wanted = config.seeds
    if "--seeds" in sys.argv:
        wanted = tuple(int(seed) for seed in sys.argv[sys.argv.index("--seeds") + 1].split(","))
    for seed in wanted:
        if seed in [one["seed"] for one in recorded(path)]:
            continue
        started, made = time.perf_counter(), run(config, seed)
        runs = sorted([*recorded(path), made], key=lambda one: one["seed"])
        write(path, config, {"runs": runs, "table": table(runs)}, started)


if __name__ == "__main__":
    main()
