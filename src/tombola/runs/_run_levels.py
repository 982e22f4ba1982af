"""Levels of pruning in a folder, whoever trains them: every one is saved, and a run that was interrupted goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from tombola.data import DataSet
from tombola.imp import Level
from tombola.training import Evaluation, Train, Trainer, by_first, is_small, processes

from ._level_files import LevelFiles, LevelRecord
from ._run_folder import RunFolder
from ._timed_training import TimedTraining

Levels = Callable[[Train, "Finished"], Iterator[Level]]
Measure = Callable[[nn.Module], Evaluation]


@dataclass(frozen=True)
class ImpRun:
    """A finished run.

    Attributes:
        levels: the records of its levels.
        seconds: that all of them took, in however many calls.
        seconds_outside_training: those in which nothing was trained or evaluated.
    """

    levels: tuple[LevelRecord, ...]
    seconds: float
    seconds_outside_training: float


@dataclass(frozen=True, eq=False)
class Task:
    """What a run is about.

    Attributes:
        model: at initialisation.
        train: one's own training loop, or a `training.Trainer`, whose state within a level is saved too.
        measure: how good a trained model is.
        data: what is trained on, if the files of weights are to say so.
        name: of the model, likewise.
    """

    model: nn.Module
    train: Train
    measure: Measure
    data: DataSet | None = None
    name: str | None = None


@dataclass(frozen=True, eq=False)
class Finished(Sequence[Level]):
    """The levels of a run that are there already, each read when it is asked for.

    Attributes:
        files: where they are.
        records: theirs.
        model: of the same build.
    """

    files: LevelFiles
    records: list[LevelRecord]
    model: nn.Module

    def __len__(self) -> int:
        """How many there are."""
        return len(self.records)

    def __getitem__(self, number: int) -> Level:  # pyright: ignore[reportIncompatibleMethodOverride] - no slices
        """A level, by its number; -1 is the last."""
        return by_first(lambda: self.files.load(self.records[number], self.model))

    @property
    def last(self) -> Level | None:
        """The level to go on behind; None if there is none."""
        return self[-1] if self.records else None


def run_levels(
    folder: str | os.PathLike[str],
    configuration: Mapping[str, Any],
    task: Task,
    levels: Levels,
    *,
    checkpoint: float = 60.0,
    on_level: Callable[[LevelRecord], object] | None = None,
) -> ImpRun:
    """The levels of a run with one's own training loop, trained if they are not in the folder yet.

    The same call after an interruption, at whatever moment, goes on behind the last level that was saved, and within a
    level if the loop is a `training.Trainer`. The outcome is that of a run without interruption, bit for bit, if the
    loop's outcome follows from its arguments. Processes that `accelerate launch` or `torchrun` started train together,
    the first of them writes.

    Args:
        folder: as that of `RunFolder`.
        configuration: JSON data, all that the outcome depends on; numbers of threads and processes are added.
        task: model, training loop and measure.
        levels: called with a training loop and the levels that are there: those that come behind them.
        checkpoint: seconds between two savings of a level in training.
        on_level: called with the record of each level that is there.

    Raises:
        ValueError: if the folder belongs to another configuration.
        OSError: if another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges; it names level and step. The levels before are kept.

    Example:
        >>> import pathlib, tempfile
        >>> from tombola import data, imp, models, schedules, training
        >>> digits, path = data.load("digits"), pathlib.Path(tempfile.mkdtemp()) / "run"
        >>> net = models.build("mlp:64-20-10", generator=torch.Generator().manual_seed(0))
        >>> task = Task(net, training.Trainer(digits, 50), lambda net: training.evaluate(net, *digits.test()))
        >>> halved = schedules.given([0.5])
        >>> run = run_levels(
        ...     path, {"seed": 0}, task,
        ...     lambda train, done: imp.imp(net, train, stop=50, schedule=halved, after=done.last),
        ... )
        >>> [record.kept for record in run.levels]
        [1480, 740]
    """
    told = on_level or (lambda _: None)
    whole = {**configuration, "threads": _threads(task), "processes": processes().num_processes}
    with ExitStack() as stack:
        run = by_first(lambda: stack.enter_context(RunFolder.opened(folder, whole)))
        files = LevelFiles(run, task.data, task.name)
        records = by_first(files.finished)
        for record in records:
            told(record)
        timed = TimedTraining(task.train, task.measure, files, level=len(records), seconds=checkpoint)
        for level in levels(timed, Finished(files, list(records), task.model)):
            records.append(timed.recorded(level))
            by_first(lambda: run.write("metrics.jsonl", *map(asdict, records), forced=False))  # the levels say it too
            told(records[-1])
        seconds = sum(record.seconds for record in records)
        result = ImpRun(tuple(records), seconds, sum(record.seconds_outside_training for record in records))
        by_first(lambda: _concluded(files, result))
    return result


def _threads(task: Task) -> int:
    """On how many threads a model is trained: the rounding of sums depends on it."""
    return 1 if isinstance(task.train, Trainer) and is_small(task.model) else torch.get_num_threads()


def _concluded(files: LevelFiles, result: ImpRun) -> None:
    files.run.write("metrics.jsonl", *map(asdict, result.levels))
    files.run.write("result.json", {**asdict(result), "configuration": files.run.sha256})
    files.training.unlink(missing_ok=True)  # of a process that was killed just behind the last level
