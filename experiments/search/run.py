"""Masks on random weights, searched for by gradients: how accurate they are, and what they promise.

Run `python experiments/search/run.py --workers 2`; seeds that are recorded already are not run again.
`--parts cifar` and `--seeds 0,1` run some of them; `--table` prints the tables of the record; `--tiny` does little on
bundled digits and writes nothing.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, option, recorded, seeds
from _common import first_images, interval, markdown

from tombola import models
from tombola.data import DataSet
from tombola.engines import Workers
from tombola.masks import count
from tombola.random_source import Source, he
from tombola.search import METHODS, iterand, mask_bits, occam_bound, on_kept, search, signed_he
from tombola.training import Trainer, cosine, evaluate, named_optimiser
from tombola.verification import verify

HERE = Path(__file__).parent
SCHEMES = {"signed constant": signed_he, "normal": he}
COLUMNS = ["accuracy", "gain", "train accuracy", "kept", "bits", "bound"]


@dataclass(frozen=True)
class Cell:
    """One search.

    Attributes:
        method: by name.
        weights: what the network is filled with.
        density: of each layer.
    """

    method: str = "edge-popup"
    weights: str = "signed constant"
    density: float = 0.5

    @property
    def name(self) -> str:
        """All of it."""
        return f"{self.method}, {self.weights}, density {self.density:g}"


@dataclass(frozen=True)
class Part:
    """Searches on a data set.

    Attributes:
        data: its name.
        model: likewise.
        steps: of each search.
        cells: the searches; the first one is what others are compared with.
        images: how many are trained on, the first ones; all if None.
        halved: whether each pixel is the mean of four, and inputs are standardised.
    """

    data: str
    model: str
    steps: int
    cells: tuple[Cell, ...]
    images: int | None = None
    halved: bool = False


@dataclass(frozen=True)
class Config:
    """Parts, and what all searches share; the rest is as `tombola search` has it."""

    parts: dict[str, Part]
    batch_size: int = 128
    draws: int = 10
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


PAIRS = (Cell(), Cell(weights="normal"), Cell("iterand"))
SPARSE = tuple(Cell(density=density) for density in (0.1, 0.02))
CONFIG = Config(
    {
        "mnist": Part("mnist", "mlp:784-300-10", 1500, (*PAIRS, *SPARSE)),
        "gate": Part("mnist", "mlp:784-1000-500-10", 2345, (Cell(),)),
        "cifar": Part("cifar10", "conv-4x0.25", 1600, PAIRS, images=5000, halved=True),
    }
)
TINY = Config({"digits": Part("digits", "mlp:64-30-10", 40, (*PAIRS, *SPARSE[:1]))}, draws=4, seeds=(0, 1))


def row(config: Config, part: Part, cell: Cell, data: DataSet, seed: int) -> dict[str, Any]:
    """What a search comes to; accuracies and bound in percent."""
    named, steps = METHODS[cell.method], part.steps
    every = max(1, steps // (config.draws + 1))
    momentum = 0.9 if named.optimiser == "sgd" else 0.0
    optimiser = named_optimiser(named.optimiser, named.learning_rate, momentum=momentum)
    generator = torch.Generator().manual_seed(seed)
    shape, classes = data.input_shape, data.classes
    began = time.perf_counter(), time.process_time()
    found = search(
        models.build(part.model, input_shape=shape, classes=classes, bias=False, generator=generator),
        Trainer(data, steps, config.batch_size, optimiser=optimiser, rate=cosine(steps)),
        method=iterand(every=every) if cell.method == "iterand" else named.made(),
        density=cell.density,
        source=Source(seed),
        steps=steps,
        scheme=on_kept(SCHEMES[cell.weights], cell.density),
        generator=generator,
    )
    assert verify(found.ticket).ok
    test, train = evaluate(found.model, *data.test()), evaluate(found.model, *data.train())
    possible = 1 + steps // every if cell.method == "iterand" else 1
    bits = mask_bits(found.masks, generations=found.generations, possible=possible)
    bits += 2 * 64 if part.halved else 0  # mean and spread of the training set, which inputs are standardised by
    return {
        "cell": cell.name,
        "accuracy": 100 * test.accuracy,
        "train accuracy": 100 * train.accuracy,
        "kept": count(found.masks),
        "bits": bits,
        "bound": 100 * occam_bound(train.count - train.correct, train.count, bits).bound,
        "seconds": time.perf_counter() - began[0],
        "cpu_seconds": time.process_time() - began[1],
    }


def run(config: Config, block: tuple[str, int], workers: Workers) -> dict[str, Any]:
    """All searches of a part and a seed."""
    name, seed = block
    started, part, rows = time.perf_counter(), config.parts[name], []
    data = first_images(part.data, part.images, halved=part.halved)
    for cell in part.cells:
        rows.append(row(config, part, cell, data, seed))
        workers.progress(1)
    return {"part": name, "seed": seed, "rows": rows, "seconds": time.perf_counter() - started}


def table(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Intervals over the seeds, by part and search; `gain` is the difference from the first search of a part."""
    found: dict[str, dict[str, Any]] = {}
    for part in dict.fromkeys(one["part"] for one in runs):
        blocks = [one["rows"] for one in runs if one["part"] == part]
        for number, first in enumerate(blocks[0]):
            rows = [block[number] | {"gain": block[number]["accuracy"] - block[0]["accuracy"]} for block in blocks]
            found[f"{part}: {first['cell']}"] = {key: interval([one[key] for one in rows]) for key in COLUMNS}
    return found


def place(one: dict[str, Any]) -> tuple[int, int]:
    """In the record: parts as they are configured."""
    return list(CONFIG.parts).index(one["part"]), one["seed"]


def main() -> None:
    """Runs what is missing, and writes what is there after each part and seed."""
    if "--tiny" in sys.argv:
        print(markdown(table([run(TINY, ("digits", seed), Workers(1)) for seed in TINY.seeds]), COLUMNS))
        return
    if "--table" in sys.argv:
        print(markdown(recorded(HERE)["table"], COLUMNS))
        return
    wanted = [(part, seed) for seed in seeds(CONFIG) for part in option("--parts", CONFIG.parts)]
    do_blocks(HERE, CONFIG, run, wanted, key=lambda one: (one["part"], one["seed"]), table=table, place=place)


if __name__ == "__main__":
    main()
