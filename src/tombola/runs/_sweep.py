"""A grid of runs, done wherever there is room, each in a folder that is named after what it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tombola.engines import WorkerDiedError, Workers

from ._cell import Cell, check_known, unique
from ._level_files import LevelRecord
from ._named_tracker import TRACKERS
from ._run_cell import Job, work
from ._summary import summarise
from ._sweep_folder import SweepFolder, lines_of

NOT_THERE = (
    "its worker has finished, but the result is not in {path}; "
    "workers on other machines need the sweep's folder under the same path"
)
OTHER_DATA = "was trained on other data of the same name than cells that are new; remove {path} to run it again"


@dataclass(frozen=True)
class CellResult:
    """What became of a cell.

    Attributes:
        cell: the cell.
        folder: where its levels are.
        levels: the records of those that are there.
        error: why it is not finished, in one line; None if it is.
        is_new: whether it was run now, and not found finished.
    """

    cell: Cell
    folder: Path
    levels: tuple[LevelRecord, ...]
    error: str | None
    is_new: bool


@dataclass(frozen=True)
class SweepEvent:
    """How far a sweep has come.

    Attributes:
        done: how many cells are done, those that failed too.
        of: how many there are.
        levels: how many levels have been done, or found, in the cells that are run now.
        result: of the cell that has just been done; None if only a level has.
    """

    done: int
    of: int
    levels: int
    result: CellResult | None


@dataclass(frozen=True)
class SweepResult:
    """What became of a sweep.

    Attributes:
        folder: of the sweep.
        results: of every cell, in their order.
    """

    folder: Path
    results: tuple[CellResult, ...]

    @property
    def failed(self) -> tuple[CellResult, ...]:
        """The cells that are not finished."""
        return tuple(result for result in self.results if result.error is not None)

    def lines(self) -> list[dict[str, Any]]:
        """A record for each cell and level, as in `results.jsonl`."""
        return [line for result in self.results for line in lines_of(result.cell, result.levels)]

    def summary(self) -> list[dict[str, Any]]:
        """Mean and 95 % interval over seeds, for each level of the finished cells; see `summarise`."""
        finished = [result for result in self.results if result.error is None]
        return summarise(line for result in finished for line in lines_of(result.cell, result.levels))


def sweep(
    cells: Iterable[Cell],
    folder: str | os.PathLike[str],
    *,
    workers: Workers | None = None,
    trackers: Sequence[str] = (),
    on_event: Callable[[SweepEvent], object] | None = None,
) -> SweepResult:
    """Runs the cells that are not finished yet, each in `folder/NAME` with the name that follows from what it is.

    A cell that fails does not stop the others. After an interruption, at whatever moment, the same call goes on: a cell
    behind its last whole level. More cells in a later call are run beside those that are there. Weights, masks and
    accuracies do not depend on the engine.

    Args:
        cells: such as those of `grid`; equal ones are run once.
        folder: with `sweep.json` (the cells), `results.jsonl` (a line for each of their levels; written anew whenever a
            cell is done) and the folders of the cells. With workers on other machines it has to be one that all of
            them reach under the same path.
        workers: the engine, and how many threads linear algebra in a cell has: one by default, with any engine.
        trackers: names of tools in which every cell that is run is followed, as `named_tracker` takes them.
        on_event: called whenever a level or a cell is done.

    Raises:
        ValueError: if there is no cell, a tracker is unknown, or the folder is one of something else.
        OSError: if another process works on this sweep, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> from tombola.runs import grid
        >>> cells = grid({"data": "digits", "model": "mlp:64-20-10", "steps": 50, "densities": [0.2], "seed": [0, 1]})
        >>> done = sweep(cells, Path(tempfile.mkdtemp()) / "study")
        >>> [(record["density"], record["seeds"]) for record in done.summary()]
        [(1.0, 2), (0.2, 2)]
    """
    wanted = unique(cells)
    if not wanted:
        raise ValueError("there is no cell to run")
    for name in trackers:
        check_known("tracker", name, TRACKERS)
    with SweepFolder.opened(folder, wanted) as place:
        running = _Running(place, wanted, workers or Workers(), on_event, tuple(dict.fromkeys(trackers)))
        try:
            running.run()
        finally:
            place.write_results({cell: place.levels(cell) for cell in wanted})
        return SweepResult(place.path, running.checked())


class _Running:
    """A sweep under way: what is known of each cell so far.

    Args:
        place: the open folder.
        cells: all of them.
        workers: those of the caller.
        on_event: hears how far it is.
        trackers: names of tools that hear of every level.
    """

    def __init__(
        self,
        place: SweepFolder,
        cells: Sequence[Cell],
        workers: Workers,
        on_event: Callable[[SweepEvent], object] | None,
        trackers: tuple[str, ...],
    ) -> None:
        self._place, self._cells, self._on_event, self._levels = place, cells, on_event, 0
        self._trackers = trackers
        threads = 1 if workers.threads is None else workers.threads
        self._workers = replace(workers, threads=threads, progress=self._level_done)
        found = [cell for cell in cells if place.is_finished(cell)]
        self._results = {cell: self._result(cell, None, is_new=False) for cell in found}

    def run(self) -> None:
        """Runs what is not finished."""
        self._tell(None)
        left = [cell for cell in self._cells if cell not in self._results]
        together = True
        while left:
            batch = left if together else left[:1]
            try:
                self._run(batch)
            except Exception as error:  # of the engine: what a cell raises is its result
                if not _is_death(error):
                    raise
                together = self._blamed(batch, error)
            left = [cell for cell in left if cell not in self._results]

    def checked(self) -> tuple[CellResult, ...]:
        """What became of the cells, once all are done: old results have to be of the data of the new ones."""
        hashes = {cell: self._place.data_hash(cell) for cell, result in self._results.items() if result.error is None}
        new = {cell.data: found for cell, found in hashes.items() if self._results[cell].is_new}
        checked = []
        for cell in self._cells:
            result = self._results[cell]
            if cell in hashes and hashes[cell] != new.get(cell.data, hashes[cell]):
                result = replace(result, error=OTHER_DATA.format(path=result.folder))
            checked.append(result)
        return tuple(checked)

    def _run(self, cells: Sequence[Cell]) -> None:
        jobs = [Job(cell, self._place.of(cell), Path.cwd(), self._trackers) for cell in cells]
        with closing(self._workers.engine(work, jobs, self._workers)) as results:
            for number, error in results:
                self._done(cells[number], error)

    def _blamed(self, cells: Sequence[Cell], error: Exception) -> bool:
        """Whether the rest can be run together: the cell is known whose workers have died."""
        number = getattr(error, "number", None)
        if number is None and len(cells) == 1:
            number = 0
        if number is not None:
            self._done(cells[number], " ".join(f"{type(error).__name__}: {error}".split()))
        return number is not None and len(cells) > 1

    def _done(self, cell: Cell, error: str | None) -> None:
        result = self._result(cell, error, is_new=True)
        self._results[cell] = result
        self._place.write_results({done: found.levels for done, found in self._results.items()})
        self._tell(result)

    def _result(self, cell: Cell, error: str | None, *, is_new: bool) -> CellResult:
        path = self._place.of(cell)
        if error is None and not self._place.is_finished(cell):
            error = NOT_THERE.format(path=path)
        return CellResult(cell, path, self._place.levels(cell), error, is_new)

    def _level_done(self, count: int) -> None:
        self._levels += count
        self._tell(None)

    def _tell(self, result: CellResult | None) -> None:
        if self._on_event is not None:
            self._on_event(SweepEvent(len(self._results), len(self._cells), self._levels, result))


def _is_death(error: Exception) -> bool:
    """Whether a block has cost too many workers; Ray says so with classes of its own, which need not be there."""
    return isinstance(error, WorkerDiedError) or any(kind.__name__ == "RayError" for kind in type(error).__mro__)
