"""`tombola demo`: the main job from beginning to end on bundled data."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._construct import summary
from ._options import AsJson
from ._output import file_size, print_json, print_next, print_table, shown

if TYPE_CHECKING:
    from ..training import SavedModel

MODEL, DATA, SEED = "lenet-300-100", "digits", 7
ROWS = {
    "layers of the random parent": lambda r: r["depth"],
    "accuracy of the target": lambda r: f"{r['accuracy_target']:.2%}",
    "accuracy of the ticket": lambda r: f"{r['accuracy_ticket']:.2%}",
    "same prediction": lambda r: f"{r['agreement']:.2%}",
    "weights that miss the tolerance": lambda r: r["failures"],
    "output error, proved bound": lambda r: r["certificate"]["bound"],
    "output error, worst found by attack": lambda r: r["attack_error"],
    "kept edges per target weight": lambda r: r["kept_per_weight"],
    "weights of the random parent": lambda r: r["source_parameters"],
    "parent / counting bound": lambda r: r["parent_over_bound"],
    "ticket file": lambda r: file_size(r["ticket_bytes"]),
    "seconds to construct": lambda r: r["seconds"],
    "verified by a second process": lambda r: r["ok"],
}


def demo(
    folder: Annotated[Path | None, typer.Option(help="Where to leave the files; default: a temporary folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train LeNet-300-100 on the bundled digits, find it in a random network in two ways, and verify both from file."""
    started = time.perf_counter()
    where = folder or Path(tempfile.mkdtemp(prefix="tombola-"))
    where.mkdir(parents=True, exist_ok=True)
    path = where / "target.safetensors"
    saved = _trained(path)
    columns = {depth: _built_and_verified(saved, path, where, depth) for depth in ("two-layer", "one-extra")}
    seconds = time.perf_counter() - started
    if as_json:
        print_json({"folder": str(where), "seconds": seconds, **columns})
    else:
        rows = [[label, *(shown(pick(record)) for record in columns.values())] for label, pick in ROWS.items()]
        title = f"{MODEL} on {DATA}: masks on a random network (seed {SEED}), no weight trained; {seconds:.0f} s in all"
        print_table(title, rows, header=["", "two-layer (2L)", "one-extra (L+1)"])
        print_next(f"tombola explain {where / 'two-layer.ticket'} --weight 'fc2[3,17]'")
    if not all(record["ok"] for record in columns.values()):
        raise typer.Exit(1)


def _trained(path: Path) -> SavedModel:
    import torch

    from .. import data, models, training

    digits, generator = data.load(DATA), torch.Generator().manual_seed(0)
    net = models.build(MODEL, input_shape=digits.input_shape, classes=digits.classes, generator=generator)
    sys.stderr.write(f"training {MODEL} on {DATA}\n")
    training.save_model(path, training.fit(net, digits, generator=generator), name=MODEL, data=digits)
    return training.load_model(path)


def _built_and_verified(saved: SavedModel, target: Path, where: Path, depth: str) -> dict[str, Any]:
    import torch

    from .. import strong, subset_sum

    construction, solver = strong.two_layer, subset_sum.sparsest
    if depth == "one-extra":
        construction, solver = strong.one_extra, subset_sum.lightest
    sys.stderr.write(f"constructing the {depth} ticket (the first run also compiles the kernels)\n")
    ticket = strong.construct(
        saved.model,
        torch.zeros(1, *(saved.input_shape or ())),
        seed=SEED,
        construction=construction,
        solver=solver,
        inputs=strong.Box(0.0, 1.0),
    )
    path = where / f"{depth}.ticket"
    record = summary(ticket, depth, solver.__name__, SEED) | {"ticket": str(path), "ticket_bytes": ticket.save(path)}
    sys.stderr.write("verifying it from its file, in another process\n")
    command = [sys.executable, "-m", "tombola", "verify", str(path), "--target", str(target), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        raise ValueError(f"the verifying process failed: {done.stderr.strip()}")
    return record | json.loads(done.stdout)
