"""What whole networks cost, from LeNet-5 to the shape of ResNet-50, at random weights: seconds, memory, parent.

Run `python experiments/whole_networks/run.py`; `--tiny` does the same on the smallest and writes nothing. Every network
is built in a process of its own, with all cores.
"""

from __future__ import annotations

import multiprocessing
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

from tombola import Box, construct, models
from tombola.engines import available_cores
from tombola.graph import read_graph
from tombola.strong import ComparedGraph, certify
from tombola.strong import _construct as steps
from tombola.strong._construct import peak_rss_bytes

COLUMNS = ["weights", "seconds", "certificate seconds", "microseconds per weight", "failures"]
SIZES = ["parent / bound", "kept per weight", "GB", "GB above the target", "ticket bytes per weight"]


@dataclass(frozen=True)
class Config:
    """Networks with the shape of their inputs; relative weight tolerance 0.01, inputs from [0, 1]."""

    networks: tuple[tuple[str, tuple[int, ...], int], ...] = (
        ("lenet-5", (1, 28, 28), 10),
        ("resnet-20", (3, 32, 32), 10),
        ("conv-4", (3, 32, 32), 10),
        ("resnet-18", (3, 224, 224), 1000),
        ("resnet-50", (3, 224, 224), 1000),
    )
    seed: int = 0


def study(config: Config) -> dict[str, Any]:
    """Every network, and the number of cores."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        runs = {one[0]: [pool.apply(point, (*one, config.seed))] for one in config.networks}
    return {"runs": runs, "table": {name: over_seeds(rows) for name, rows in runs.items()}, "cores": available_cores()}


def point(name: str, shape: tuple[int, ...], classes: int, seed: int) -> dict[str, float]:
    """One network; runs in a process that has done nothing else but compile the kernels."""
    construct(nn.Linear(64, 64), torch.zeros(1, 64))
    generator = torch.Generator().manual_seed(seed)
    net = models.build(name, input_shape=shape, classes=classes, generator=generator).eval()
    weights, example = sum(parameter.numel() for parameter in net.parameters()), torch.zeros(1, *shape)
    read_graph(net, example)
    before, spent = peak_rss_bytes(), []

    def timed(compared: ComparedGraph, inputs: Box) -> Any:  # noqa: ANN401 - the certificate
        started = time.perf_counter()
        proof = certify(compared, inputs)
        spent.append(time.perf_counter() - started)
        return proof

    steps.certify = timed  # type: ignore[assignment]  # the construction times itself as a whole only
    ticket = construct(net, example, seed=seed, inputs=Box(0.0, 1.0))
    peak, report = peak_rss_bytes(), ticket.record["report"]
    seconds = report["seconds"] - spent[0]
    with tempfile.TemporaryDirectory() as folder:
        size = ticket.save(Path(folder) / "one.ticket")
    return {
        "seed": seed,
        "weights": weights,
        "seconds": report["seconds"],
        "certificate seconds": spent[0],
        "microseconds per weight": 1e6 * seconds / weights,
        "failures": report["failures"],
        "parent / bound": ticket.source_parameters / report["counting_bound"],
        "kept per weight": report["kept_per_weight"],
        "GB": peak / 1e9,
        "GB above the target": (peak - before) / 1e9,
        "ticket bytes per weight": size / weights,
    }


if __name__ == "__main__":
    carry_out(study, Config(), Config((("lenet-5", (1, 28, 28), 10),)), [COLUMNS, SIZES])
