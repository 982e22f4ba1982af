"""`tombola runs`: the folders of runs, listed, compared and removed."""

from __future__ import annotations

import typer

from ._runs_compare import compare
from ._runs_list import list_runs
from ._runs_remove import remove

VERBS = {
    list_runs: ("List the runs in a folder and below it.", "tombola runs list study"),
    compare: ("Show runs side by side, level by level.", "tombola runs compare first second"),
    remove: ("Remove folders of runs.", "tombola runs remove first"),
}
runs = typer.Typer(rich_markup_mode=None)
for verb, (short, example) in VERBS.items():
    runs.command(verb.__name__.removesuffix("_runs"), short_help=short, epilog=f"Example: {example}")(verb)
