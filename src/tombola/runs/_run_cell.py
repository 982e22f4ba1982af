"""One cell of a sweep, run by whichever worker has it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tombola import data as datasets
from tombola.data import DataSet
from tombola.engines import Workers
from tombola.errors import TombolaError
from tombola.isolation import torch_threads

from ._cell import Cell
from ._level_files import LevelRecord
from ._methods import METHODS
from ._named_tracker import named_tracker
from ._run_levels import ImpRun
from ._tracking import tracked

EXPECTED = (TombolaError, ValueError, OSError, ImportError, FloatingPointError, MemoryError)


@dataclass(frozen=True)
class Job:
    """A cell on its way to a worker.

    Attributes:
        cell: what is to be run.
        folder: where; absolute.
        base: the folder that paths of data are relative to.
        trackers: the names of tools in which it is followed, which keep their files beside the folder.
    """

    cell: Cell
    folder: Path
    base: Path
    trackers: tuple[str, ...] = ()


def run_cell(
    cell: Cell,
    folder: str | os.PathLike[str],
    *,
    on_level: Callable[[LevelRecord, int], object] | None = None,
) -> ImpRun:
    """The levels of one cell, trained if they are not in the folder yet.

    Args:
        cell: what is to be run.
        folder: of this cell alone.
        on_level: called with the record of each level that is there, and how many there will be.

    Raises:
        ValueError: if settings, data and folder do not fit together.
        OSError: if the data are not there, another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges.

    Example:
        >>> import tempfile
        >>> from tombola.runs import ImpSettings
        >>> cell = Cell("random", "digits", ImpSettings("mlp:64-20-10", steps=50, densities=(0.1,)))
        >>> [record.kept for record in run_cell(cell, Path(tempfile.mkdtemp()) / cell.name).levels]
        [1480, 148]
    """
    return _run(Job(cell, Path(folder), Path.cwd()), on_level)


def work(job: Job, workers: Workers) -> str | None:
    """Runs a cell, and tells its trackers and the sweep of every level; what a worker does.

    Returns:
        Why it failed, in one line; None if it did not.
    """
    try:
        trackers = [named_tracker(name, job.folder.parent) for name in job.trackers]
        followed = tracked(trackers, job.folder, job.cell.name, job.cell.flat())
        with torch_threads(workers.threads), followed as follow:

            def on_level(record: LevelRecord, of: int) -> None:
                follow(record, of)
                workers.progress(1)

            _run(job, on_level)
    except Exception as error:  # one cell's error is not the others'
        said = " ".join(str(error).split())
        return said if isinstance(error, EXPECTED) and said else f"{type(error).__name__}: {said}"
    return None


def _run(job: Job, on_level: Callable[[LevelRecord, int], object] | None) -> ImpRun:
    data = _loaded(job.cell.data, job.base)
    return METHODS[job.cell.method](job.folder, data, job.cell.settings, on_level=on_level)


def _loaded(name: str, base: Path) -> DataSet:
    """A data set, from wherever a worker is; it bears the name that the cell has for it."""
    is_path = name not in datasets.NAMES and not name.startswith("hf:")
    return replace(datasets.load(base / Path(name).expanduser() if is_path else name), name=name)
