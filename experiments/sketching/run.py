"""Masks at initialisation, cut or drawn, on data or on noise: how accurate the networks become.

Run `python experiments/sketching/run.py --workers 2`; seeds that are recorded already are not run again.
`--parts mnist` and `--seeds 0,1` run some of them; `--table` prints the tables of the record; `--tiny` does little on
bundled digits and writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, option, recorded, seeds
from _common import first_images
from _methods import METHODS, Method
from _tables import markdown, table

from tombola import models, scores, sketch
from tombola.allocate import erk
from tombola.engines import Workers
from tombola.imp import shuffled
from tombola.masks import Masks, count
from tombola.prune import CRITERIA, geometric, prune
from tombola.runs import scoring_batches
from tombola.select import top
from tombola.training import Trainer, cosine, evaluate

HERE = Path(__file__).parent
MASKS, OTHER = 1000, 2000  # added to the seed: what masks draw, other weights


@dataclass(frozen=True)
class Part:
    """A network on a data set.

    Attributes:
        data: its name.
        model: likewise.
        epochs: of training.
        densities: of all weights but biases.
        images: how many are trained on, the first ones; all if None.
        halved: whether each pixel is the mean of four, and inputs are standardised.
    """

    data: str
    model: str
    epochs: int
    densities: tuple[float, ...]
    images: int | None = None
    halved: bool = False


@dataclass(frozen=True)
class Config:
    """Networks, data and training by Adam, whose rate falls along half a cosine."""

    parts: dict[str, Part]
    batch_size: int = 128
    learning_rate: float = 3e-3
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


CONFIG = Config(
    {
        "mnist": Part("mnist", "lenet-300-100", 4, (0.5, 0.1, 0.02, 0.01, 0.005), images=20_000),
        "fashion": Part("fashion_mnist", "lenet-300-100", 4, (0.1, 0.02, 0.005), images=20_000),
        "cifar": Part("cifar10", "conv-4x0.25", 8, (0.5, 0.1, 0.02), images=5000, halved=True),
    }
)
TINY = Config({"digits": Part("digits", "mlp:64-30-10", 2, (0.2, 0.02))}, seeds=(0, 1))


class Run:
    """What all networks of a part and a seed share: data, weights, order of examples."""

    def __init__(self, config: Config, part: Part, seed: int) -> None:
        self.part, self.seed, self.data = part, seed, first_images(part.data, part.images, halved=part.halved)
        steps = part.epochs * -(-len(self.data.y_train) // config.batch_size)
        optimiser = partial(torch.optim.Adam, lr=config.learning_rate)
        self.train = Trainer(self.data, steps, config.batch_size, optimiser=optimiser, rate=cosine(steps))
        self.net, self.other = self.drawn(seed), self.drawn(OTHER + seed)

    def drawn(self, seed: int) -> nn.Module:
        """A network at initialisation: normal weights of variance 2 over the fan-in, biases as torch draws them."""
        generator = torch.Generator().manual_seed(seed)
        shape, classes = self.data.input_shape, self.data.classes
        net = models.build(self.part.model, input_shape=shape, classes=classes, generator=generator)
        for weight in net.parameters():
            if weight.ndim > 1:
                nn.init.kaiming_normal_(weight, generator=generator)
        return net

    def masks(self, method: Method, density: float) -> Masks:
        """The masks of a method; always the same ones."""
        generator = torch.Generator().manual_seed(MASKS + self.seed)
        batches = scoring_batches(self.data, 1, noise=method.noise, generator=generator)
        transform = sketch.rank if method.score == "grasp" else sketch.absolute
        draw = sketch.sketch(temperature=method.temperature, transform=transform) if method.temperature else top
        found = prune(
            self.net,
            batches,
            score=CRITERIA[method.score].score,
            density=geometric(density, method.rounds),
            allocate=erk if method.erk else None,
            select=draw,
            generator=generator,
        )
        return shuffled(found, generator=generator) if method.change == "shuffled" else found

    def row(self, method: Method, density: float) -> dict[str, Any]:
        """How a network of these masks does; accuracy in points."""
        masks = self.masks(method, density)
        net = self.other if method.change == "redrawn" else self.net
        return {
            "method": method.name,
            "density": density,
            "kept": count(masks),
            "smallest layer": min(int(mask.sum()) for mask in masks.values()),
            "effective": scores.effective_density(net, masks, self.data.scaling(self.data.x_train[:1])),
            "accuracy": self.accuracy(net, masks),
        }

    def accuracy(self, net: nn.Module, masks: Masks) -> float:
        """On the test set, in points, at the end of training."""
        generator = torch.Generator().manual_seed(self.seed)
        trained = self.train(net, masks, start=0, stop=self.train.steps, generator=generator)
        return 100 * evaluate(trained, *self.data.test()).accuracy

    def rows(self) -> Iterator[dict[str, Any]]:
        """Of the dense network, and of all methods at all densities."""
        yield {"method": "dense", "density": 1.0, "accuracy": self.accuracy(self.net, {})}
        for density in self.part.densities:
            for method in METHODS:
                yield self.row(method, density)


def run(config: Config, block: tuple[str, int], workers: Workers) -> dict[str, Any]:
    """All networks of a part and a seed."""
    name, seed = block
    started = time.perf_counter()
    rows = []
    for row in Run(config, config.parts[name], seed).rows():
        rows.append(row)
        workers.progress(1)
    return {"part": name, "seed": seed, "rows": rows, "seconds": time.perf_counter() - started}


def place(one: dict[str, Any]) -> tuple[int, int]:
    """In the record: parts as they are configured."""
    return list(CONFIG.parts).index(one["part"]), one["seed"]


def main() -> None:
    """Runs what is missing, and writes what is there after each part and seed."""
    if "--tiny" in sys.argv:
        runs = [run(TINY, ("digits", seed), Workers(1)) for seed in TINY.seeds]
        assert all(row["kept"] < 2220 for one in runs for row in one["rows"][1:])
        print(markdown(table(runs)))
        return
    if "--table" in sys.argv:
        print(markdown(recorded(HERE)["table"]))
        return
    wanted = [(part, seed) for seed in seeds(CONFIG) for part in option("--parts", CONFIG.parts)]
    do_blocks(HERE, CONFIG, run, wanted, key=lambda one: (one["part"], one["seed"]), table=table, place=place)


if __name__ == "__main__":
    main()
