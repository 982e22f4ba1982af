"""Tickets of a ResNet-20 on a ResNet-32 and back: stretched and squeezed, next to tickets of their own and to controls.

Run `python experiments/elastic/run.py --workers 2`; seeds that are recorded already are not run again. `--seeds 0,1`
runs some of them; `--table` prints the table of the record; `--tiny` does little on bundled digits and writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, recorded, seeds
from _common import first_images, interval

from tombola import models, prune, scores
from tombola.engines import Workers
from tombola.imp import Level, imp, shuffled, weights
from tombola.masks import Masks, count, density
from tombola.schedules import given
from tombola.training import Trainer, evaluate, sgd, stepwise
from tombola.transfer import append, elastic, interpolate

HERE = Path(__file__).parent
RULES = {"append": append, "interpolate": interpolate}
OWN, RANDOM, MAGNITUDE = "its own ticket", "random", "magnitude at initialisation"
CONTROL = 1000  # added to the seed


@dataclass(frozen=True)
class Config:
    """The published optimiser; width, images, their size, epochs and the number of levels are reduced."""

    data: str = "cifar10"
    images: int | None = 5_000
    halved: bool = True
    width: float = 0.25
    depths: tuple[int, int] = (20, 32)
    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    drops: tuple[float, ...] = (0.5, 0.75)  # of a run; the rate falls tenfold
    rewind: float = 0.04  # of a run
    densities: tuple[float, ...] = (0.3, 0.1)
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


CONFIG = Config()
TINY = Config("digits", 256, halved=False, epochs=2, rewind=0.25, seeds=(0, 1))


class Run:
    """What all networks of one seed share."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config, self.seed = config, seed
        self.data = first_images(config.data, config.images, halved=config.halved)
        self.steps = config.epochs * -(-len(self.data.y_train) // config.batch_size)
        self.k = round(config.rewind * self.steps)
        optimiser = sgd(config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay)
        rate = stepwise([int(part * self.steps) for part in config.drops])
        self.train = Trainer(self.data, self.steps, batch_size=config.batch_size, optimiser=optimiser, rate=rate)
        self.nets = {depth: self.drawn(depth, seed) for depth in config.depths}

    def drawn(self, depth: int, seed: int) -> nn.Module:
        """A network at initialisation."""
        name, generator = f"resnet-{depth}x{self.config.width:g}", torch.Generator().manual_seed(seed)
        return models.build(name, input_shape=self.data.input_shape, classes=self.data.classes, generator=generator)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every network at every depth and density."""
        levels = {depth: list(self.levels(depth)) for depth in self.config.depths}
        for depth, source in (self.config.depths, self.config.depths[::-1]):
            dense, *pruned = levels[depth]
            yield self.row(depth, "dense", dense.model, dense.masks)
            for own, other in zip(pruned, levels[source][1:], strict=True):
                yield self.row(depth, OWN, own.model, own.masks)
                yield from self.carried(depth, source, other)
                yield from self.controls(depth, own.masks)

    def levels(self, depth: int) -> Iterator[Level]:
        """Iterative pruning with weights rewound to an early step."""
        schedule = given(self.config.densities)
        return imp(self.nets[depth], self.train, stop=self.steps, schedule=schedule, rewind=weights(self.k))

    def carried(self, depth: int, source: int, level: Level) -> Iterator[dict[str, Any]]:
        """The ticket of the other depth, weights and all, by either rule."""
        for name, rule in RULES.items():
            made = elastic(level.begun, level.masks, self.nets[depth], rule=rule)
            yield self.trained(depth, f"from ResNet-{source}, {name}", made.model, made.masks, start=self.k)

    def controls(self, depth: int, own: Masks) -> Iterator[dict[str, Any]]:
        """The layers' densities of the own ticket at random places of another network, and weights large at first."""
        draw = torch.Generator().manual_seed(CONTROL + self.seed)
        yield self.trained(depth, RANDOM, self.drawn(depth, CONTROL + self.seed), shuffled(own, generator=draw))
        net, images = self.nets[depth], [(self.data.scaling(self.data.x_train[:1]), self.data.y_train[:1])]
        masks = prune(net, images, score=scores.magnitude, density=density(own), names=list(own))
        yield self.trained(depth, MAGNITUDE, net, masks)

    def trained(self, depth: int, method: str, net: nn.Module, masks: Masks, *, start: int = 0) -> dict[str, Any]:
        """A network trained under masks."""
        generator = torch.Generator().manual_seed(self.seed)
        return self.row(depth, method, self.train(net, masks, start=start, stop=self.steps, generator=generator), masks)

    def row(self, depth: int, method: str, model: nn.Module, masks: Masks) -> dict[str, Any]:
        """A network on the whole test set, its accuracy in points."""
        accuracy = 100 * evaluate(model, *self.data.test()).accuracy
        found = {"depth": depth, "method": method, "kept": count(masks), "density": density(masks) if masks else 1.0}
        return found | {"accuracy": accuracy}


def run(config: Config, seed: int, workers: Workers) -> dict[str, Any]:
    """All networks of a seed; the level of a row is its place among those of its method and depth."""
    started, made, rows = time.perf_counter(), Run(config, seed), []
    for row in made.rows():
        level = sum((one["depth"], one["method"]) == (row["depth"], row["method"]) for one in rows)
        rows.append(row | {"level": level})
        workers.progress(1)
    return {"seed": seed, "steps": made.steps, "k": made.k, "rows": rows, "seconds": time.perf_counter() - started}


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean accuracies over seeds, and paired differences from the random control and from the own ticket."""
    found = []
    for row in runs[0]["rows"]:
        key = (row["depth"], row["level"])
        own, control, here = (
            [
                one["accuracy"]
                for run in runs
                for one in run["rows"]
                if (one["depth"], one["level"]) == key and one["method"] == method
            ]
            for method in (OWN, RANDOM, row["method"])
        )
        line = {name: row[name] for name in ("depth", "level", "method", "density")} | {"accuracy": interval(here)}
        if row["method"] != "dense":
            line["over random"] = interval([a - b for a, b in zip(here, control, strict=True)])
            line["over its own"] = interval([a - b for a, b in zip(here, own, strict=True)])
        found.append(line)
    return found


def markdown(lines: list[dict[str, Any]]) -> str:
    """The table as in the README."""
    shown = ["| network | density | ticket | accuracy, % | over random | over its own |", "|---|---|---|---|---|---|"]
    for line in lines:
        figures = [line.get(name) for name in ("accuracy", "over random", "over its own")]
        words = [
            "" if one is None else f"{one['mean']:{'+' * bool(place)}.1f} ± {one['ci95']:.1f}"
            for place, one in enumerate(figures)
        ]
        shown.append(f"| ResNet-{line['depth']} | {line['density']:.2f} | {line['method']} | {' | '.join(words)} |")
    return "\n".join(shown)


def main() -> None:
    """Runs what is missing, and writes what is there after each seed."""
    if "--tiny" in sys.argv:
        runs = [run(TINY, seed, Workers(1)) for seed in TINY.seeds]
        assert all(row["kept"] > 0 for one in runs for row in one["rows"] if row["method"] != "dense")
        print(markdown(table(runs)))
        return
    if "--table" in sys.argv:
        print(markdown(recorded(HERE)["table"]))
        return
    first_images(CONFIG.data)
    do_blocks(HERE, CONFIG, run, seeds(CONFIG), key=lambda one: one["seed"], table=table)


if __name__ == "__main__":
    main()
