"""`tombola demo`: the main job from beginning to end on bundled data."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._construct import built, default_objective, functions, summary
from ._options import AsJson, Depth
from ._output import file_size, print_json, print_next, print_table
from ._progress import progress
from ._second_process import SecondProcess
from ._train import fitted

if TYPE_CHECKING:
    from tombola.training import SavedModel

MODEL, DATA, SEED = "lenet-300-100", "digits", 7
ROWS = {
    "layers of the random parent": lambda r: r["depth"],
    "accuracy of the target": lambda r: f"{r['accuracy_target']:.2%}",
    "accuracy of the ticket": lambda r: f"{r['accuracy_ticket']:.2%}",
    "same prediction": lambda r: f"{r['agreement']:.2%}",
    "weights off by more than 1 %": lambda r: r["failures"],
    "output error on {set}, proved": lambda r: r["certificate"]["bound"],
    "output error found by an attack": lambda r: r["attack_error"],
    "kept edges per weight, sign, copy": lambda r: r["kept_per_weight"],
    "weights of the random parent": lambda r: r["source_parameters"],
    "parent / counting bound": lambda r: r["parent_over_bound"],
    "ticket file": lambda r: file_size(r["ticket_bytes"]),
    "seconds to construct": lambda r: r["seconds"],
    "verified by a second process": lambda r: r["ok"],
}


def demo(
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to leave the files; default: a temporary folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train LeNet-300-100 on bundled digits, find it in a random network in two ways, and verify both from file."""
    from tombola.isolation import torch_threads

    started = time.perf_counter()
    where = folder or Path(tempfile.mkdtemp(prefix="tombola-"))
    where.mkdir(parents=True, exist_ok=True)
    target = where / "demo.safetensors"
    with SecondProcess() as second, torch_threads(1):  # there are two processes to share the cores
        saved, columns = _trained(target), {}
        for depth in Depth:
            columns[depth.value] = _built(saved, where, depth)
            second.ask(Path(columns[depth.value]["ticket"]), target)
        with progress("waiting for the second process to verify"):
            for record in columns.values():
                record |= second.answer()
    _print(where, columns, time.perf_counter() - started, as_json)
    if not all(record["ok"] for record in columns.values()):
        raise typer.Exit(1)


def _trained(path: Path) -> SavedModel:
    import torch

    from tombola import data, models, training

    digits, generator = data.load(DATA), torch.Generator().manual_seed(0)
    net = models.build(MODEL, input_shape=digits.input_shape, classes=digits.classes, generator=generator)
    net = fitted(net, digits, f"training {MODEL} on {DATA}", generator=generator)
    training.save_model(path, net, name=MODEL, data=digits)
    return training.load_model(path)


def _built(saved: SavedModel, where: Path, depth: Depth) -> dict[str, Any]:
    """A ticket for the target, saved; what it reports."""
    from tombola.engines import Workers
    from tombola.strong import Box

    objective, path = default_objective(depth.value), where / f"demo-{depth.value}.ticket"
    recipe = {"seed": SEED, **functions(depth.value, objective), "inputs": Box(0.0, 1.0)}
    ticket = built(saved, f"constructing the {depth.value} ticket", Workers(), recipe)
    return summary(ticket, depth.value, objective) | {"ticket": str(path), "ticket_bytes": ticket.save(path)}


def _print(where: Path, columns: dict[str, dict[str, Any]], seconds: float, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(where), "seconds": seconds, **columns})
        return
    first = next(iter(columns.values()))
    rows = [
        [label.format(set=first["certificate"]["set"]), *(pick(record) for record in columns.values())]
        for label, pick in ROWS.items()
    ]
    title = f"{MODEL} on {DATA}: masks on a random network (seed {SEED}), no weight trained"
    print_table(f"{title}\n{seconds:.0f} seconds, with training and what was compiled", rows, header=["", *columns])
    print_next("tombola", "explain", first["ticket"], "--weight", "fc2[3,17]")
