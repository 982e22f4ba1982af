"""What a block of a two-layer construction costs by the size of its layer: time, memory, ticket, traffic per weight.

Run `python experiments/scale/run.py`; `--tiny` does the same on small layers in seconds and writes nothing. Every point
is measured in a process of its own, with one thread.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import carry_out, over_seeds

from tombola import Ball, construct, two_layer
from tombola.engines import Workers

POSITIVE = Ball(1.0, nonnegative=True)
COLUMNS = ["weights", "microseconds", "certificate microseconds", "source weights", "kept", "failures"]
BYTES = ["memory", "memory of certificate", "ticket bytes", "bytes in", "bytes out", "bytes out without errors"]
COSTS = ("microseconds", "certificate microseconds", "bytes in", "bytes out")


@dataclass(frozen=True)
class Config:
    """Square dense layers without biases, normal weights, inputs that are not negative, relative tolerance 0.01."""

    sides: tuple[int, ...] = (316, 1000, 2000)
    seeds: tuple[int, ...] = (0, 1, 2)
    scenarios: tuple[tuple[float, float], ...] = ((1e9, 1.7e7), (1e10, 6.7e7), (1e11, 6e8))


def study(config: Config) -> dict[str, Any]:
    """Every point, seed by seed and as intervals; all but `weights` and `failures` are per weight of the target."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        runs = {f"{side} x {side}": [pool.apply(point, (side, seed)) for seed in config.seeds] for side in config.sides}
    table = {name: over_seeds(rows) for name, rows in runs.items()}
    return {"runs": runs, "table": table, "plan": [plan(table, *scenario) for scenario in config.scenarios]}


def plan(table: dict[str, Any], weights: float, layer: float) -> dict[str, float]:
    """A target of so many weights in layers of so many; each cost per weight is the largest of all points.

    Bytes of memory and of tickets are those of the largest point: a process and a header weigh less there.
    A worker holds its block, what building it takes, and the result twice; the process that sends the blocks holds
    the target and all results. The certificate comes on top, in that process.
    """
    per = {name: max(row[name]["mean"] for row in table.values()) for name in COSTS}
    large = list(table.values())[-1]
    work = large["memory"]["mean"] + large["bytes in"]["mean"] + 2 * large["bytes out"]["mean"]
    return {
        "weights": weights,
        "weights of a layer": layer,
        "cpu hours": weights * per["microseconds"] / 3.6e9,
        "hours of a layer": layer * per["microseconds"] / 3.6e9,
        "worker GB": layer * work / 1e9,
        "layer in GB": layer * per["bytes in"] / 1e9,
        "layer out GB": layer * per["bytes out"] / 1e9,
        "network GB": weights * (per["bytes in"] + per["bytes out"]) / 1e9,
        "sender GB": weights * (per["bytes in"] + per["bytes out"]) / 1e9,
        "certificate cpu hours": weights * per["certificate microseconds"] / 3.6e9,
        "certificate GB": weights * large["memory of certificate"]["mean"] / 1e9,
        "ticket GB": weights * large["ticket bytes"]["mean"] / 1e9,
    }


def point(side: int, seed: int) -> dict[str, float]:
    """One layer, built and certified; runs in a process that has done nothing else."""
    construct(square(64, seed), torch.zeros(1, 64), inputs=POSITIVE, workers=Workers(1))  # compiles the kernels
    target, done, built = square(side, seed), {}, []

    def measured(layers: list[Any], recipe: Any) -> list[Any]:  # noqa: ANN401 - a construction
        done["bytes in"] = sum(layer.weight.nbytes for layer in layers)
        before, started = peak_rss_bytes(), time.perf_counter()
        built.extend(two_layer(layers, recipe))
        done["seconds"], done["peak"] = time.perf_counter() - started, peak_rss_bytes()
        done["memory"] = done["peak"] - before
        return built

    ticket = construct(
        target, torch.zeros(1, side), seed=seed, construction=measured, inputs=POSITIVE, workers=Workers(1)
    )
    done["certificate microseconds"] = 1e6 * (ticket.record["report"]["seconds"] - done["seconds"])
    done["memory of certificate"] = peak_rss_bytes() - done.pop("peak")
    done["microseconds"] = 1e6 * done.pop("seconds")
    done["bytes out"] = len(pickle.dumps(built, pickle.HIGHEST_PROTOCOL))
    done["bytes out without errors"] = done["bytes out"] - built[0].errors.nbytes
    with tempfile.TemporaryDirectory() as folder:
        done["ticket bytes"] = ticket.save(Path(folder) / "one.ticket")
    done |= {"source weights": ticket.source_parameters, "kept": ticket.kept}
    return {
        "seed": seed,
        "weights": side * side,
        "failures": ticket.record["report"]["failures"],
        **{name: value / side**2 for name, value in done.items()},
    }


def peak_rss_bytes() -> int:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def square(side: int, seed: int) -> nn.Module:
    """One layer of normal weights."""
    layer = nn.Linear(side, side, bias=False)
    weight = torch.randn(side, side, generator=torch.Generator().manual_seed(seed)) / side**0.5
    layer.weight = nn.Parameter(weight)
    return nn.Sequential(layer)


if __name__ == "__main__":
    carry_out(study, Config(), Config((32, 64), (0,)), [COLUMNS, BYTES])
