"""`tombola runs list`: what is in a folder of runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from ._options import AsJson
from ._output import print_json, print_next, print_table

if TYPE_CHECKING:
    from tombola.runs import FoundRun

COLUMNS = ("run", "method", "data", "model", "seed", "levels", "density", "best", "last", "seconds", "state")


def list_runs(
    folder: Annotated[Path, Argument(metavar="FOLDER", help="Where to look; default: the current folder.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """List every run in a folder and below it, with how far it is and how accurate."""
    from tombola.runs import find_runs

    found = find_runs(folder)
    if as_json:
        print_json({"folder": str(folder), "runs": [record_of(run) for run in found]})
        return
    rows = [[*_row(run, folder)] for run in found]
    title = f"{len(rows)} run{'' if len(rows) == 1 else 's'} in {folder}"
    if not rows:
        print_table(title, [["none; `tombola imp` and `tombola sweep` make them"]])
        return
    print_table(title, rows, header=COLUMNS)
    if len(found) > 1:
        print_next("tombola", "runs", "compare", found[0].path, found[1].path)


def record_of(run: FoundRun) -> dict[str, Any]:
    """What there is to say of a run."""
    accuracies = [record.accuracy for record in run.levels]
    return {
        "run": str(run.path),
        "method": run.method,
        **{name: run.settings.get(name) for name in ("data", "model", "seed")},
        "levels": len(run.levels),
        "of": run.of,
        "density": run.levels[-1].density if run.levels else None,
        "best_accuracy": max(accuracies, default=None),
        "last_accuracy": accuracies[-1] if accuracies else None,
        "seconds": sum(record.seconds for record in run.levels),
        "state": run.state,
    }


def _row(run: FoundRun, folder: Path) -> list[object]:
    record = record_of(run)
    path, levels = os.path.relpath(record.pop("run"), folder), record.pop("levels")
    of = record.pop("of")
    rest = list(record.values())
    seed = None if rest[3] is None else str(rest[3])
    return [path, *rest[:3], seed, f"{levels} of {'?' if of is None else of}", *rest[4:]]
