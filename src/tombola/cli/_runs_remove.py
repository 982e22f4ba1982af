"""`tombola runs remove`: folders of runs, gone for good."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ._options import AsJson
from ._output import file_size, print_json, print_table

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask. Needed where nobody can be asked.")]


def remove(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Remove folders of runs, with their tickets and weights. Nothing else is ever removed."""
    from tombola.runs import read_run, remove_runs

    found = [read_run(path) for path in dict.fromkeys(runs)]
    sizes = {str(run.path): _bytes(run.path) for run in found}
    if not yes:
        _ask(sizes)
    remove_runs(*sizes)
    if as_json:
        print_json({"removed": list(sizes), "bytes": sum(sizes.values())})
    else:
        print_table("removed", [[path, file_size(size)] for path, size in sizes.items()])


def _bytes(path: Path) -> int:
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())


def _ask(sizes: dict[str, int]) -> None:
    """Asks on the terminal.

    Raises:
        ValueError: if there is none.
        typer.Abort: if the answer is no.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ValueError(f"add --yes to remove {', '.join(sizes)}; there is no terminal to ask on")
    for path, size in sizes.items():
        sys.stderr.write(f"{path}: {file_size(size)}\n")
    if not typer.confirm("remove for good?", err=True):
        raise typer.Exit
