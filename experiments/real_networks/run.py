"""Two-layer tickets of convolutional and residual networks on real images: accuracy, sizes, certificates by layer.

Run `python experiments/real_networks/run.py`; `--tiny` does the same on the bundled digits in seconds and writes
nothing. Targets are trained once and kept in `targets/` beside this file.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import behaviour, carry_out, dataset, over_seeds, sizes

from tombola import Box, Ticket, Tolerance, construct, data, models, nearest, sparsest, training
from tombola.effective import effective_maps
from tombola.graph import read_graph
from tombola.strong import ComparedGraph, compare, layer_certificates, targets

UNIT = Box(0.0, 1.0)
COLUMNS = ["accuracy of target", "accuracy change", "agreement", "failures", "parent / bound", "kept per weight"]
PROOFS = [
    *("seconds", "certificate", "rms output error", "sparse against collapsed"),
    *("output range", "vacuous", "worst layer ratio", "median layer ratio"),
]
SOLVERS = {"sparsest": sparsest, "nearest": nearest}


@dataclass(frozen=True)
class Config:
    """Data, model and epochs of each target; weight tolerance relative to a layer's largest weight."""

    networks: tuple[tuple[str, str, int], ...] = (
        ("fashion_mnist", "lenet-5", 4),
        ("cifar10", "conv-4", 3),
        ("cifar10", "resnet-20", 3),
    )
    epsilon: float = 0.01
    seeds: tuple[int, ...] = (0, 1, 2)
    shown: int = 64
    kept: str = "targets"


def study(config: Config) -> dict[str, Any]:
    """Every row of the table, seed by seed and as intervals."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for name, model, epochs in config.networks:
        loaded = dataset(name)
        net = target(name, model, epochs, loaded, config.kept)
        for solver in SOLVERS:
            label = f"{model} on {name}, {solver}"
            runs[label] = [run(config, net, loaded, seed, solver) for seed in config.seeds]
            print(label, over_seeds(runs[label])["accuracy change"], flush=True)
    return {"runs": runs, "table": {name: over_seeds(rows) for name, rows in runs.items()}}


def target(name: str, model: str, epochs: int, loaded: data.DataSet, folder: str) -> nn.Module:
    """A trained network, from its file if it was trained before."""
    generator = torch.Generator().manual_seed(0)
    net = models.build(model, input_shape=loaded.input_shape, classes=loaded.classes, generator=generator)
    path = Path(__file__).parent / folder / f"{name}_{model}.pt"
    if folder and path.exists():
        net.load_state_dict(torch.load(path, weights_only=True))
        return net.eval()
    residual = model.startswith("resnet")
    optimiser = training.sgd(0.1, weight_decay=5e-4) if residual else training.adam(1e-3)
    options = {"epochs": epochs, "batch_size": 128, "optimiser": optimiser, "generator": generator}
    net = training.fit(net, loaded, on_epoch=print, **options).eval()
    if folder:
        path.parent.mkdir(exist_ok=True)
        torch.save(net.state_dict(), path)
    return net


def run(config: Config, net: nn.Module, loaded: data.DataSet, seed: int, solver: str) -> dict[str, Any]:
    """One ticket from one parent."""
    example, tolerance = torch.zeros(1, *loaded.input_shape), Tolerance(config.epsilon)
    ticket = construct(net, example, seed=seed, solver=SOLVERS[solver], tolerance=tolerance, inputs=UNIT)
    row = {"seed": seed, **sizes(ticket), **behaviour(ticket, net, loaded, form="collapsed", batch=500)}
    images = loaded.test()[0][: config.shown]
    with torch.no_grad():
        outputs = [ticket.module(form=form)(images) for form in ("sparse", "collapsed")]
    row["sparse against collapsed"] = float((outputs[0] - outputs[1]).abs().max())
    return row | proofs(ticket, net, images, tolerance)


def proofs(ticket: Ticket, net: nn.Module, images: torch.Tensor, tolerance: Tolerance) -> dict[str, Any]:
    """The end-to-end certificate beside the output's range, and the layers' own beside their attacks."""
    graph = read_graph(net, images[:1])
    compared = compare(ticket, graph, targets(graph, tolerance, UNIT), effective_maps(ticket))
    assert isinstance(compared, ComparedGraph)
    rows = layer_certificates(compared, images, generator=torch.Generator().manual_seed(0))
    ratios = torch.tensor([row.bound / row.attack for row in rows])
    with torch.no_grad():
        outputs = compared.run("target", images)
    spread = float(torch.cdist(outputs, outputs).max())
    return {
        "certificate": ticket.record["certificate"]["bound"],
        "output range": spread,
        "vacuous": float(ticket.record["certificate"]["bound"] > spread),
        "worst layer ratio": float(ratios.max()),
        "median layer ratio": float(ratios.median()),
    }


if __name__ == "__main__":
    tiny = Config((("digits", "conv-2x0.25", 2), ("digits", "resnet-20x0.25", 1)), seeds=(0,), shown=8, kept="")
    carry_out(study, Config(), tiny, [COLUMNS, PROOFS])
