"""A good mask is hard to find and easy to construct: parities and a neuron, as the dimension grows.

Run `python experiments/hardness/run.py --workers 2`; what is recorded already is not run again. `--parts parity` and
`--seeds 0,1` run some of it; `--table` prints the tables of the record; `--tiny` does little and writes nothing.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import write
from _problem import Config, Problem
from _tables import markdown, table

from tombola.engines import Processes, Workers

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


def recorded() -> list[dict[str, Any]]:
    """What is there already."""
    path = HERE / "result.json"
    return json.loads(path.read_text())["runs"] if path.exists() else []


def key(one: dict[str, Any]) -> tuple[str, int, int]:
    """Of a block, in the order of the record."""
    return one["part"], one["dimension"], one["seed"]


def option(name: str, default: str) -> list[str]:
    """What follows an option of the command line."""
    return (sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default).split(",")


def blocks(config: Config, parts: list[str], seeds: list[int]) -> list[tuple[str, int, int]]:
    """What there is to do, a seed at a time."""
    dimensions = {"parity": config.parity, "neuron": config.neuron}
    return [(part, dimension, seed) for seed in seeds for part in parts for dimension in dimensions[part]]


def main() -> None:
    """Runs what is missing, and writes what is there after each target."""
    if "--tiny" in sys.argv:
        runs = [run(TINY, block, Workers(1)) for block in blocks(TINY, ["parity", "neuron"], list(TINY.seeds))]
        assert all(one["construction"] <= one["certificate"] + 1e-9 for one in runs)
        print(markdown(table(sorted(runs, key=key))))
        return
    if "--table" in sys.argv:
        print(markdown(json.loads((HERE / "result.json").read_text())["table"]))
        return
    seeds = [int(seed) for seed in option("--seeds", ",".join(map(str, CONFIG.seeds)))]
    there = {key(one) for one in recorded()}
    wanted = [one for one in blocks(CONFIG, option("--parts", "parity,neuron"), seeds) if one not in there]
    engine, started = Processes(int(option("--workers", "1")[0])), time.perf_counter()
    for _, made in engine(partial(run, CONFIG), wanted, Workers(1)):
        runs = sorted([*recorded(), made], key=key)
        write(HERE / "result.json", CONFIG, {"runs": runs, "table": table(runs)}, started)
        print(f"{key(made)}: {made['search seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
