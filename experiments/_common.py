"""What the studies share: targets, intervals, and results that say how they were made."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from tombola import data, models, training
from tombola.effective import effective_maps
from tombola.errors import DataNotFoundError
from tombola.graph import read_graph
from tombola.strong import InputSet, Tolerance, attack, certificate, effective_layers, targets
from tombola.ticket import Ticket

PACKAGES = ("tombola", "torch", "numpy", "numba", "scipy")


def dataset(name: str) -> data.DataSet:
    """A data set, or the end of the study with the reason if it is not on this machine."""
    try:
        return data.load(name)
    except DataNotFoundError as error:
        print(f"skipped: {error}")
        sys.exit(0)


def first_images(name: str, images: int | None = None, *, halved: bool = False) -> data.DataSet:
    """The first images of a training set and all of the test set; if halved, pixels are means of four, standardised."""
    full = dataset(name)
    full = replace(full, x_train=full.x_train[:images], y_train=full.y_train[:images])
    if not halved:
        return full
    x, test = (nn.functional.avg_pool2d(pixels.float(), 2) for pixels in (full.x_train, full.x_test))
    scaling = data.Scaling("standard", float(x.double().mean()), float(x.double().std(correction=0)))
    return replace(full, x_train=x, x_test=test, scaling=scaling)


def trained(name: str, loaded: data.DataSet, *, seed: int, bias: bool, epochs: int | None = None) -> nn.Module:
    """A network trained from a seed."""
    generator = torch.Generator().manual_seed(seed)
    net = models.build(name, input_shape=loaded.input_shape, classes=loaded.classes, bias=bias, generator=generator)
    return training.fit(net, loaded, epochs=epochs, generator=generator)


def interval(values: list[float]) -> dict[str, float]:
    """Mean and half-width of the 95 % confidence interval of the mean (Student's t), with the extremes."""
    sample = np.asarray(values, float)
    half = stats.t.ppf(0.975, len(sample) - 1) * stats.sem(sample) if len(sample) > 1 else float("nan")
    return {
        "mean": float(sample.mean()),
        "ci95": None if np.isnan(half) else float(half),
        "min": float(sample.min()),
        "max": float(sample.max()),
    }


def over_seeds(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The numbers of several runs as intervals."""
    numeric = [key for key, value in rows[0].items() if isinstance(value, int | float) and key != "seed"]
    return {key: interval([float(row[key]) for row in rows]) for key in numeric}


def proofs(
    ticket: Ticket, model: nn.Module, example: Tensor, sets: dict[str, InputSet], tolerance: Tolerance
) -> dict[str, float]:
    """Certificate and attack over several input sets, and their ratio."""
    graph, found = read_graph(model, example), {}
    for name, inputs in sets.items():
        layers = targets(graph, tolerance, inputs)
        compared = effective_layers(ticket, layers, effective_maps(ticket))
        proof = certificate(compared, inputs).bound
        worst = attack(compared, inputs, generator=torch.Generator().manual_seed(0)).error
        found |= {f"certificate {name}": float(proof), f"attack {name}": worst, f"ratio {name}": float(proof) / worst}
    return found


def behaviour(
    ticket: Ticket, model: nn.Module, loaded: data.DataSet, *, form: str = "sparse", batch: int = 10_000
) -> dict[str, float]:
    """Accuracy of target and ticket on the test set in points, agreement in percent, and output errors."""
    inputs, labels = loaded.test()
    networks = model, ticket.module(form=form)
    with torch.no_grad():
        wanted, found = (torch.cat([net(part).double() for part in inputs.split(batch)]) for net in networks)
    errors = (found - wanted).norm(dim=1)
    hits = [100 * float((output.argmax(dim=1) == labels).double().mean()) for output in (wanted, found)]
    return {
        "accuracy of target": hits[0],
        "accuracy of ticket": hits[1],
        "accuracy change": hits[1] - hits[0],
        "agreement": 100 * float((wanted.argmax(dim=1) == found.argmax(dim=1)).double().mean()),
        "rms output error": float(errors.square().mean().sqrt()),
        "relative output error": float(errors.square().mean().sqrt() / wanted.norm(dim=1).square().mean().sqrt()),
    }


def sizes(ticket: Ticket) -> dict[str, float]:
    """Parent, kept edges and errors, from the ticket's report."""
    report = ticket.record["report"]
    return {
        "source parameters": ticket.source_parameters,
        "parent / bound": ticket.source_parameters / report["counting_bound"],
        "depth": len(ticket.stages),
        "kept": ticket.kept,
        "kept per weight": report["kept_per_weight"],
        "kept per weight above tolerance": report["kept_per_nonzero_weight"],
        "zeroed fraction": report["zeroed_fraction"],
        "failures": report["failures"],
        "max weight error": report["max_weight_error"],
        "weight error p99.99": report["weight_error_p9999"],
        "seconds": report["seconds"],
    }


def write(path: Path, config: object, body: dict[str, Any], started: float) -> None:
    """The result, with its configuration, the configuration's hash, versions, machine and duration."""
    settings = json.loads(json.dumps(asdict(config)))  # type: ignore[call-overload]
    canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    record = {
        "config": settings,
        "config_sha256": hashlib.sha256(canonical.encode()).hexdigest(),
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads()},
        "seconds": time.perf_counter() - started,
        **body,
    }
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def carry_out(study: Callable[[Any], dict[str, Any]], config: object, tiny: object, tables: list[list[str]]) -> None:
    """Runs a study, prints its tables, writes `result.json` beside it; with `--tiny` a small one that writes nothing.

    Ends with an error if a weight missed its tolerance.
    """
    started, small = time.perf_counter(), "--tiny" in sys.argv
    body = study(tiny if small else config)
    for columns in tables:
        print(markdown(body["table"], columns), end="\n\n")
    if not small:
        write(Path(sys.argv[0]).parent / "result.json", config, body, started)
    if any(row["failures"] for rows in body["runs"].values() for row in rows):
        sys.exit("a weight missed its tolerance")


def markdown(rows: dict[str, dict[str, Any]], columns: list[str]) -> str:
    """Intervals as a Markdown table, one line per row."""
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(_cell(row.get(column)) for column in columns) + " |")
    return "\n".join(lines)


def _cell(value: dict[str, float] | None) -> str:
    if value is None:
        return ""
    mean = f"{value['mean']:,.0f}" if abs(value["mean"]) >= 1e4 else f"{value['mean']:.4g}"
    return mean if not value["ci95"] else f"{mean} ± {value['ci95']:.2g}"
