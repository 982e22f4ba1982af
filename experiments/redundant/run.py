"""Edge-popup on networks with copies of each input, and on plain wide networks of as many parameters.

Run `python experiments/redundant/run.py --workers 2`; seeds that are recorded already are not run again.
`--seeds 0,1` runs some of them; `--table` prints the tables of the record; `--tiny` does little on bundled digits and
writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, recorded, seeds
from _common import dataset
from _networks import VARIANTS, law, network
from _tables import markdown, table

from tombola.data import DataSet, Scaling
from tombola.engines import Workers
from tombola.masks import count
from tombola.random_source import Source, initialise
from tombola.search import edge_popup, search
from tombola.training import Trainer, cosine, evaluate, sgd

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Config:
    """Networks, data and training. Learning rate, momentum, decay, batch and copies are published, the rest is smaller.

    Attributes:
        data: the name of the data set.
        images: how many are trained on, the first ones; all if None.
        halved: whether each pixel is the mean of four.
        hidden: units of the network that is made redundant.
        pruned: fractions of the weights of each layer; 0 is the random network, of which nothing is searched.
    """

    data: str = "mnist"
    images: int | None = 10_000
    halved: bool = True
    hidden: int = 125
    copies: int = 5
    pruned: tuple[float, ...] = (0.0, 0.05, 0.1, 0.5, 0.75, 0.9, 0.95, 0.98)
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


CONFIG = Config()
TINY = Config("digits", None, halved=False, hidden=20, pruned=(0.0, 0.5, 0.9), epochs=2, seeds=(0, 1))


def loaded(config: Config) -> DataSet:
    """The images that are used, standardised."""
    full = dataset(config.data)
    train, test = full.x_train[: config.images].float(), full.x_test.float()
    if config.halved:
        train, test = (nn.functional.avg_pool2d(images, 2) for images in (train, test))
    scaling = Scaling("standard", float(train.double().mean()), float(train.double().std(correction=0)))
    return replace(full, x_train=train, y_train=full.y_train[: config.images], x_test=test, scaling=scaling)


class Run:
    """What all networks of a seed share: data, training, the source of weights."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config, self.seed, self.data, self.source = config, seed, loaded(config), Source(seed)
        steps = config.epochs * -(-len(self.data.y_train) // config.batch_size)
        optimiser = sgd(config.learning_rate, momentum=config.momentum, weight_decay=config.weight_decay)
        self.train = Trainer(self.data, steps, config.batch_size, optimiser=optimiser, rate=cosine(steps))
        self.widths = self.data.x_train[0].numel(), config.hidden, self.data.classes

    def rows(self) -> Iterator[dict[str, Any]]:
        """Of all variants at all fractions."""
        for pruned in self.config.pruned:
            for variant in VARIANTS:
                yield self.row(variant, pruned)

    def row(self, variant: str, pruned: float) -> dict[str, Any]:
        """How a network does, in points, and how many weights it has left."""
        net = network(variant, self.widths, self.config.copies)
        size = sum(parameter.numel() for parameter in net.parameters())
        found, kept = self.found(net, pruned) if pruned else (self.drawn(net), size)
        accuracy = 100 * evaluate(found, *self.data.test()).accuracy
        return {"variant": variant, "pruned": pruned, "parameters": size, "kept": kept, "accuracy": accuracy}

    def drawn(self, net: nn.Module) -> nn.Module:
        """The random network itself."""
        net.load_state_dict(initialise(net, self.source, scheme=partial(law, self.config.copies)))
        return net

    def found(self, net: nn.Module, pruned: float) -> tuple[nn.Module, int]:
        """What edge-popup makes of it, and how many weights that has."""
        made = search(
            net,
            self.train,
            method=edge_popup(),
            density=round(1 - pruned, 9),
            source=self.source,
            steps=self.train.steps,
            scheme=partial(law, self.config.copies),
            generator=torch.Generator().manual_seed(self.seed),
        )
        return made.model, count(made.masks)


def run(config: Config, seed: int, workers: Workers) -> dict[str, Any]:
    """All networks of a seed."""
    started = time.perf_counter()
    rows = []
    for row in Run(config, seed).rows():
        rows.append(row)
        workers.progress(1)
    return {"seed": seed, "rows": rows, "seconds": time.perf_counter() - started}


def main() -> None:
    """Runs what is missing, and writes what is there after each seed."""
    if "--tiny" in sys.argv:
        runs = [run(TINY, seed, Workers(1)) for seed in TINY.seeds]
        assert all(row["kept"] < row["parameters"] for one in runs for row in one["rows"] if row["pruned"])
        print(markdown(table(runs)))
        return
    if "--table" in sys.argv:
        print(markdown(recorded(HERE)["table"]))
        return
    dataset(CONFIG.data)
    do_blocks(HERE, CONFIG, run, seeds(CONFIG), key=lambda one: one["seed"], table=table)


if __name__ == "__main__":
    main()
