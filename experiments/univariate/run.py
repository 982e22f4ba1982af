"""One frozen ticket of univariate functions, and a linear read-out of it for each of several data sets.

Run `python experiments/univariate/run.py --workers 2`; seeds that are recorded already are not run again.
`--seeds 0,1` runs some of them; `--table` prints the tables of the record; `--tiny` does little on bundled digits and
writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, recorded, seeds
from _common import dataset
from _read_out import read_out
from _tables import PIXELS, RANDOM, SEARCH, SHUFFLED, markdown, table, ticket

from tombola import models
from tombola.data import DataSet, Scaling
from tombola.engines import Workers
from tombola.imp import shuffled
from tombola.masks import Masks, apply, count
from tombola.random_source import Scheme, Source, initialise
from tombola.search import Found, edge_popup, search, signed_he, with_biases
from tombola.training import Trainer, cosine, evaluate, sgd

HERE = Path(__file__).parent
TURNED = ":turned"  # after the name of a data set: its images by a quarter


@dataclass(frozen=True)
class Config:
    """Networks, data and search; the published density is 0.5.

    Attributes:
        data: names of data sets; the ticket of the first is the one that is compared with all else.
        images: how many are trained on, the first ones; all if None.
        halved: whether each pixel is the mean of four.
        width: of networks, a factor on 64 knots and 256 features.
        std: of biases.
    """

    data: tuple[str, ...] = ("mnist", "fashion_mnist", "emnist_letters")
    images: int | None = 10_000
    halved: bool = True
    shapes: tuple[str, ...] = ("univariate-polynomial", "univariate-fourier")
    width: float = 1.0
    std: float = 0.5
    densities: tuple[float, ...] = (0.5, 0.25)
    epochs: int = 10
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


CONFIG = Config()
TINY = Config(("digits", "digits:turned"), None, halved=False, width=0.2, densities=(0.5,), epochs=1, seeds=(0, 1))


def loaded(config: Config, name: str) -> DataSet:
    """The images that are used, of one size and within [0, 1]."""
    full = dataset(name.removesuffix(TURNED))
    train, test = full.scaling(full.x_train[: config.images]), full.scaling(full.x_test)
    if config.halved:
        train, test = (nn.functional.avg_pool2d(images, 2) for images in (train, test))
    if name.endswith(TURNED):
        train, test = (images.rot90(1, (2, 3)) for images in (train, test))
    return replace(full, x_train=train, y_train=full.y_train[: config.images], x_test=test, scaling=Scaling("none"))


class Run:
    """What all networks of a seed share: data sets, the source of weights."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config, self.seed, self.source = config, seed, Source(seed)
        drawn = with_biases(signed_he, config.std)
        self.scheme: Scheme = lambda name, value: None if value.numel() == 1 else drawn(name, value)
        self.data = {name: loaded(config, name) for name in config.data}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Of all features on all data sets, and of the searches."""
        yield from self.read_outs(nn.Flatten(), shape="", density=1.0, features=PIXELS)
        for shape in self.config.shapes:
            net = self.network(shape, self.data[self.config.data[0]])
            yield from self.read_outs(self.masked(net, {}), shape=shape, density=1.0, features=RANDOM)
            for density in self.config.densities:
                yield from self.searched(shape, density)

    def searched(self, shape: str, density: float) -> Iterator[dict[str, Any]]:
        """Of a ticket for each data set, and of one whose masks are shuffled within layers."""
        settings = {"shape": shape, "density": density}
        found = {name: self.ticket(shape, density, loaded) for name, loaded in self.data.items()}
        for name, one in found.items():
            accuracy = 100 * evaluate(one.model, *self.data[name].test()).accuracy
            counts = {"kept": count(one.masks), "parameters": sum(mask.numel() for mask in one.masks.values())}
            yield settings | {"features": SEARCH, "data": name, "accuracy": accuracy} | counts
            yield from self.read_outs(one.model, **settings, features=ticket(name))
        masks = found[self.config.data[0]].masks
        masks = shuffled(masks, generator=torch.Generator().manual_seed(self.seed))
        net = self.network(shape, self.data[self.config.data[0]])
        yield from self.read_outs(self.masked(net, masks), **settings, features=SHUFFLED)

    def read_outs(self, net: nn.Module, *, shape: str, density: float, features: str) -> Iterator[dict[str, Any]]:
        """Of everything but the last layer of a network, on each data set; of a layer alone, of its outputs."""
        settings = {"shape": shape, "density": density, "features": features}
        frozen = net[:-1] if isinstance(net, nn.Sequential) else net
        for name, loaded in self.data.items():
            yield settings | {"data": name} | read_out(frozen, loaded)

    def network(self, shape: str, loaded: DataSet) -> nn.Module:
        """The architecture; its values do not matter, but for single numbers: no part of one is kept, so it is 0."""
        sizes = {"input_shape": loaded.input_shape, "classes": loaded.classes}
        net = models.build(f"{shape}x{self.config.width:g}", **sizes, generator=torch.Generator())
        with torch.no_grad():
            for value in net.parameters():
                value.mul_(value.numel() > 1)
        return net

    def masked(self, net: nn.Module, masks: Masks) -> nn.Module:
        """The network at the values of the source, under masks."""
        net.load_state_dict(apply(masks, initialise(net, self.source, scheme=self.scheme)))
        return net

    def ticket(self, shape: str, density: float, loaded: DataSet) -> Found:
        """What edge-popup finds on a data set. Features of all of them are masks on the same values."""
        config = self.config
        steps = config.epochs * -(-len(loaded.y_train) // config.batch_size)
        optimiser = sgd(config.learning_rate, momentum=config.momentum)
        return search(
            self.network(shape, loaded),
            Trainer(loaded, steps, config.batch_size, optimiser=optimiser, rate=cosine(steps)),
            method=edge_popup(),
            density=density,
            source=self.source,
            steps=steps,
            scheme=self.scheme,
            generator=torch.Generator().manual_seed(self.seed),
        )


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
        assert all(row["kept"] < row["parameters"] for one in runs for row in one["rows"] if row["features"] == SEARCH)
        print(markdown(table(runs)))
        return
    if "--table" in sys.argv:
        print(markdown(recorded(HERE)["table"]))
        return
    for name in CONFIG.data:
        loaded(CONFIG, name)  # ends here if it is not on this machine
    do_blocks(HERE, CONFIG, run, seeds(CONFIG), key=lambda one: one["seed"], table=table)


if __name__ == "__main__":
    main()
