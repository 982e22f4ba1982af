"""Tickets that were planted: how much of them pruning and searching find, and what they find instead.

Run `python experiments/planted/run.py --workers 2`; what is recorded already is not run again. `--seeds 0,1` and
`--groups pruning,gem-miner` run some of it, a group being `pruning` or a search of `tombola.search.METHODS`; `--table`
prints the tables of the record; `--tiny` does little and writes nothing.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from _blocks import do_blocks, option, recorded, seeds
from _methods import MULTIPLE, PRUNING, SINGLE, Method, groups, searches
from _tables import markdown, table
from _task import Config, Task

from tombola.engines import Workers
from tombola.masks import Masks, count

HERE = Path(__file__).parent
CONFIG = Config()
TINY = Config((("circle", 3), ("helix", 4)), (0.1,), width=40, examples=300, epochs=1, seeds=(0,))


def row(task: Task, method: str, density: str, masks: Masks, strong: float) -> dict[str, Any]:
    """What masks are like; the network has still to be trained."""
    kept = count(masks)
    named = {"method": method, "density": density, "kept": kept, "share": kept / task.total}
    return named | {"recall": 100 * task.recall(masks), "strong": strong}


def pruned(task: Task, densities: dict[str, float]) -> list[tuple[str, str, Masks]]:
    """The masks of criteria in one round, and in several with training between; weights go back after each."""
    found = [
        (method.label, label, task.pruned(task.network, method.name, density))
        for method in SINGLE
        for label, density in densities.items()
    ]
    keys = [(method, label) for method in MULTIPLE for label in densities]
    masks = [task.planted.masks for _ in keys]
    masks = [{name: torch.ones_like(mask) for name, mask in each.items()} for each in masks]
    for r in range(MULTIPLE[0].rounds):
        networks = task.trained(masks, 1)
        for i, (method, label) in enumerate(keys):
            density = densities[label] ** ((r + 1) / method.rounds)
            masks[i] = task.pruned(networks[i], method.name, density, masks[i])
    return found + [(method.label, label, each) for (method, label), each in zip(keys, masks, strict=True)]


def searched(task: Task, method: Method, densities: dict[str, float]) -> list[tuple[str, str, Masks, float]]:
    """The masks of a search, and how good the network is that it ends with."""
    states = task.sought(method.name, list(densities.values()), method.rounds, scaled=method.scaled)
    judge = task.strong if method.scaled else task.quality
    ends = zip(densities, states, strict=True)
    return [(method.label, label, state.method.masks(state), judge(state)) for label, state in ends]


def run(config: Config, block: tuple[str, int, int, str], workers: Workers) -> dict[str, Any]:
    """All masks of a group on a planted network, and their networks before and after training."""
    name, depth, seed, group = block
    started = time.perf_counter()
    task = Task(config, name, depth, seed)
    own = count(task.planted.masks) / task.total
    densities = {"ticket": own} | {f"{density:g}": density for density in config.densities}
    if group == PRUNING:
        everything = {key: torch.ones_like(mask) for key, mask in task.planted.masks.items()}
        fixed = [("planted", "ticket", task.planted.masks), ("dense", "1", everything)]
        found = [(*one, task.strong(task.masked(one[2]))) for one in [*fixed, *pruned(task, densities)]]
    else:
        found = [one for method in searches(group) for one in searched(task, method, densities)]
    rows = [row(task, *one) for one in found]
    for one, network in zip(rows, task.trained([masks for _, _, masks, _ in found], config.epochs), strict=True):
        one["weak"] = task.quality(network)
    workers.progress(1)
    return dict(zip(("task", "depth", "seed", "group"), block, strict=True)) | {
        "planted": count(task.planted.masks),
        "rows": rows,
        "seconds": time.perf_counter() - started,
    }


def key(one: dict[str, Any]) -> tuple[str, int, int, str]:
    """Of a block."""
    return one["task"], one["depth"], one["seed"], one["group"]


def place(one: dict[str, Any]) -> tuple[Any, ...]:
    """Of a block in the record: tasks as they are configured, what prunes before what searches."""
    task, depth, seed, group = key(one)
    return CONFIG.tasks.index((task, depth)), group != PRUNING, group, seed


def main() -> None:
    """Runs what is missing, and writes what is there after each block."""
    wanted = groups(",".join(option("--groups", [PRUNING, "edge-popup"])))
    if "--tiny" in sys.argv:
        runs = [
            run(TINY, (*task, seed, group), Workers(1))
            for task in TINY.tasks
            for seed in TINY.seeds
            for group in wanted
        ]
        assert all(one["rows"][0]["recall"] == 100 for one in runs if one["group"] == PRUNING)
        print(markdown(table(runs)))
        return
    if "--table" in sys.argv:
        print(markdown(recorded(HERE)["table"]))
        return
    blocks = [(*task, seed, group) for seed in seeds(CONFIG) for task in CONFIG.tasks for group in wanted]
    do_blocks(HERE, CONFIG, run, blocks, key=key, table=table, place=place)


if __name__ == "__main__":
    main()
