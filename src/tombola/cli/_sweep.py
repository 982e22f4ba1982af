"""`tombola sweep`: every combination of what a study lists, in a folder that it goes on in."""

from __future__ import annotations

import sys

import typer

from . import _sweep_options as options
from ._imp_options import Track
from ._options import AsJson, find_factories_here
from ._sweeping import SOME_FAILED, print_cells, print_summary, swept


def sweep(  # noqa: PLR0913 - one parameter for each option
    study: options.StudyPath,
    output: options.Folder = None,
    engine: options.EngineName = options.SweepEngine.IN_PROCESS,
    ray_address: options.RayAddress = None,
    workers: options.WorkerCount = None,
    threads: options.Threads = 1,
    track: Track = None,
    dry_run: options.DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Run every combination of what a study lists; runs that are finished are not run again."""
    from tombola.engines import Workers
    from tombola.runs import read_study

    who = Workers(threads, engine=options.engine_of(engine, ray_address, workers, threads))
    wanted = read_study(study)
    for cell in wanted.twice:
        sys.stderr.write(f"note: listed more than once, run once: {cell.describe()}\n")
    if dry_run:
        print_cells(wanted, as_json)
        return
    if output is None:
        raise ValueError("name the folder for the runs with -o, or ask for a list of them with --dry-run")
    for cell in wanted.cells:
        find_factories_here(cell.settings.model)
    done = swept(wanted, output, who, tuple(track or ()))
    print_summary(wanted, output, done, as_json)
    if done.failed:
        count = f"{len(done.failed)} of {len(done.results)} cells failed"
        sys.stderr.write(f"tombola: {count}; the same command tries them again\n")
        raise typer.Exit(SOME_FAILED)
