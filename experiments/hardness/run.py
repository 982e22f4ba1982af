"""A good mask is hard to find and easy to construct: parities and a neuron, as the dimension grows.

Run `python experiments/hardness/run.py --workers 2`; what is recorded already is not run again. `--parts parity` and
`--seeds 0,1` run some of it; `--table` prints the tables of the record; `--tiny` does little and writes nothing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, option, recorded, seeds
from _problem import Config, Problem
from _tables import markdown, table

from tombola.engines import Workers

HERE = Path(__file__).parent
CONFIG = Config()
TINY = Config((2, 4), (4,), width=32, steps=100, rates=(0.1,), examples=500, test=500, seeds=(0, 1))


def run(config: Config, block: tuple[str, int, int], workers: Workers) -> dict[str, Any]:
    """All ways to a network that does what a target does."""
    part, dimension, seed = block
    problem, started = Problem(config, part, dimension, seed), time.perf_counter()
    rates = {f"{rate:g}": problem.searched(rate) for rate in config.rates}
    searched = time.perf_counter()
    ticket, error, proved = problem.constructed()
    found = {"search": min(rates.values()), "construction": error, "certificate": proved}
    found["construction seconds"] = time.perf_counter() - searched
    found |= {"training": problem.trained(), "neurons": problem.neurons(), "search seconds": searched - started}
    found["search weights"] = sum(weight.numel() for weight in problem.net.parameters())
    found |= {"construction weights": ticket.source_parameters, "construction kept": ticket.kept}
    workers.progress(1)
    return {"part": part, "dimension": dimension, "seed": seed, "rates": rates, **found}


def key(one: dict[str, Any]) -> tuple[str, int, int]:
    """Of a block, in the order of the record."""
    return one["part"], one["dimension"], one["seed"]


def blocks(config: Config, parts: list[str], seeds: list[int]) -> list[tuple[str, int, int]]:
    """What there is to do, a seed at a time."""
    dimensions = {"parity": config.parity, "neuron": config.neuron}
    return [(part, dimension, seed) for seed in seeds for part in parts for dimension in dimensions[part]]


def main() -> None:
    """Runs what is missing, and writes what is there after each target."""
    parts = option("--parts", ["parity", "neuron"])
    if "--tiny" in sys.argv:
        runs = [run(TINY, block, Workers(1)) for block in blocks(TINY, parts, list(TINY.seeds))]
        assert all(one["construction"] <= one["certificate"] + 1e-9 for one in runs)
        print(markdown(table(sorted(runs, key=key))))
        return
    if "--table" in sys.argv:
        print(markdown(recorded(HERE)["table"]))
        return
    do_blocks(HERE, CONFIG, run, blocks(CONFIG, parts, seeds(CONFIG)), key=key, table=table)


if __name__ == "__main__":
    main()
