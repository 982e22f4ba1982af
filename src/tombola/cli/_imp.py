"""`tombola imp`: iterative magnitude pruning, in a folder that it goes on in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from . import _imp_options as options
from ._follow import followed, trackers
from ._options import AsJson, find_factories_here
from ._output import print_json, print_next, print_table
from ._progress import progress

if TYPE_CHECKING:
    from tombola.data import DataSet
    from tombola.runs import ImpRun, ImpSettings, LevelRecord, Tracker

DIVERGED = 1  # the exit code of a check that failed
COLUMNS = ("level", "density", "kept", "accuracy", "step")


def imp(  # noqa: PLR0913 - one parameter for each option
    data: options.DataName,
    model: options.NetworkName,
    output: options.Folder,
    levels: options.Levels = None,
    factor: options.Factor = None,
    densities: options.Densities = None,
    linear_to: options.LinearTo = None,
    steps: options.Steps = None,
    rewind: options.Rewind = 0,
    reset: options.ResetName = options.Reset.WEIGHTS,
    retrain: options.Retrain = None,
    by_layer: options.ByLayer = False,
    exclude: options.Exclude = None,
    optimiser: options.OptimiserName = options.Descent.SGD,
    learning_rate: options.LearningRate = 0.1,
    momentum: options.Momentum = 0.0,
    weight_decay: options.WeightDecay = 0.0,
    rate: options.RateName = "constant",
    warm_up: options.WarmUp = 0,
    clip: options.Clip = None,
    batch_size: options.BatchSize = 128,
    bfloat16: options.Bfloat16 = False,
    threads: options.Threads = None,
    checkpoint: options.Checkpoint = 60.0,
    seed: options.Seed = 0,
    track: options.Track = None,
    mlflow_address: options.MlflowAddress = None,
    as_json: AsJson = False,
) -> None:
    """Train a network, prune its smallest weights, go back, and again; every level is kept."""
    from tombola import data as datasets
    from tombola.runs import ImpSettings, default_steps

    find_factories_here(model)
    following = trackers(track or (), mlflow_address, output)
    schedule, loaded = _schedule(levels, factor, densities, linear_to), datasets.load(data)
    settings = ImpSettings(
        model=model,
        steps=steps or default_steps(loaded, batch_size),
        **schedule,
        reset=reset.value,
        rewind=rewind,
        retrain=retrain,
        by_layer=by_layer,
        exclude=tuple(sorted(set(exclude or ()))),
        optimiser=optimiser.value,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        rate=rate,
        warm_up=warm_up,
        clip=clip,
        batch_size=batch_size,
        bfloat16=bfloat16,
        threads=threads,
        seed=seed,
    )
    run = _run(output, loaded, settings, checkpoint, following)
    if as_json:
        print_json({"run": str(output), **asdict(run)})
        return
    rows = [[getattr(record, column) for column in COLUMNS] for record in run.levels]
    print_table(f"{model} on {data}, seed {seed}", rows, header=COLUMNS)
    print_next("tombola", "info", output / "levels" / f"{run.levels[-1].level:02d}" / "level.ticket")


def _schedule(
    levels: int | None, factor: float | None, densities: str | None, linear_to: float | None
) -> dict[str, Any]:
    """The settings that say how many weights each level keeps.

    Raises:
        ValueError: if two of them contradict each other, or densities are no numbers.
    """
    if linear_to is not None and factor is not None:
        raise ValueError("--linear-to says what each level keeps; leave --factor out")
    if densities is None:
        given = {"levels": levels, "factor": factor, "linear_to": linear_to}
        return {name: value for name, value in given.items() if value is not None}
    if levels is not None or factor is not None or linear_to is not None:
        raise ValueError("--densities says what each level keeps; leave --levels, --factor and --linear-to out")
    try:
        return {"densities": tuple(float(part) for part in densities.split(","))}
    except ValueError:
        raise ValueError(f"--densities are numbers with commas between, as in 0.5,0.2,0.1; got {densities!r}") from None


def _run(folder: Path, data: DataSet, settings: ImpSettings, checkpoint: float, following: Sequence[Tracker]) -> ImpRun:
    """What `runs.run_imp` makes of these arguments, with progress shown, and told to trackers.

    Raises:
        typer.Exit: if training diverged, once that has been said.
    """
    from tombola.runs import run_imp

    try:
        with (
            followed(following, folder, {"data": data.name, **settings.to_json()}) as on_level,
            progress(f"pruning {settings.model} on {data.name}", text="level 0") as shown,
        ):

            def report(record: LevelRecord, of: int) -> None:
                on_level(record, of)
                text = f"density {record.density:.4f}, accuracy {record.accuracy:.4f}"
                shown.reach(record.level + 1, of, text)

            return run_imp(folder, data, settings, checkpoint=checkpoint, on_level=report)
    except FloatingPointError as error:
        sys.stderr.write(f"tombola: {error}; the levels before are kept in {folder}\n")
        raise typer.Exit(DIVERGED) from error
