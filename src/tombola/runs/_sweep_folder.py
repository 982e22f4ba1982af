"""The folder of a sweep: a folder for each cell, and what is known of all of them."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tombola.ticket import check_json, strict_json

from ._cell import Cell
from ._found_runs import records_of
from ._level_files import LevelRecord
from ._run_folder import CONFIG, LOCK, WHOLE, RunFolder, _check_writable, _locked, _versions

SWEEP, RESULTS = "sweep.json", "results.jsonl"


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep: `sweep.json`, `results.jsonl`, `lock`, and a run folder for each cell.

    Attributes:
        path: of the folder, absolute.
    """

    path: Path

    @classmethod
    @contextmanager
    def opened(cls, path: str | os.PathLike[str], cells: Sequence[Cell]) -> Iterator[SweepFolder]:
        """The folder, made if it is not there, locked while the block runs.

        Raises:
            ValueError: if it holds files of something else.
            OSError: if another process works there, or it cannot be written.
        """
        path = Path(path).absolute()
        _check_place(path)
        path.mkdir(parents=True, exist_ok=True)
        _check_writable(path)
        with _sweep_locked(path):
            for left in path.glob(".*.part"):
                left.unlink()
            folder = cls(path)
            folder._write(SWEEP, {"cells": {cell.name: cell.to_json() for cell in cells}})
            yield folder

    def of(self, cell: Cell) -> Path:
        """The folder of a cell."""
        return self.path / cell.name

    def levels(self, cell: Cell) -> tuple[LevelRecord, ...]:
        """The records of a cell's levels that are there."""
        return records_of(self.of(cell))

    def is_finished(self, cell: Cell) -> bool:
        """Whether all levels of a cell are there, of these settings and of these versions of the libraries."""
        try:
            config = strict_json((self.of(cell) / CONFIG).read_text(encoding="utf-8"), "its text")
            result = strict_json((self.of(cell) / "result.json").read_text(encoding="utf-8"), "its text")
            check_json(config, WHOLE, "text")
            check_json(result, {"configuration": str, "levels": [{}]}, "text")
        except (OSError, ValueError):
            return False
        wanted = json.loads(json.dumps({**cell.settings.to_json(), "data": cell.data}))
        agree = all(config["configuration"].get(name) == value for name, value in wanted.items())
        same = config["versions"] == _versions() and result["configuration"] == config["sha256"]
        return agree and same and len(self.levels(cell)) == len(result["levels"])

    def data_hash(self, cell: Cell) -> object:
        """What the data of a cell were, by their SHA-256."""
        try:
            return strict_json((self.of(cell) / CONFIG).read_text(encoding="utf-8"), "its text")["configuration"].get(
                "data_sha256"
            )
        except (OSError, ValueError, KeyError):
            return None

    def write_results(self, levels: Mapping[Cell, Sequence[LevelRecord]]) -> None:
        """Writes `results.jsonl` again, a line for each cell and level."""
        self._write(RESULTS, *(line for cell, records in levels.items() for line in lines_of(cell, records)))

    def _write(self, name: str, *records: dict[str, Any]) -> None:
        RunFolder(self.path, "").write(name, *records)


def lines_of(cell: Cell, levels: Sequence[LevelRecord]) -> Iterator[dict[str, Any]]:
    """What is known of each level, with what its cell says."""
    about = cell.flat()
    for record in levels:
        yield {**about, **vars(record)}


@contextmanager
def _sweep_locked(path: Path) -> Iterator[None]:
    try:
        with _locked(path / LOCK):
            yield
    except BlockingIOError as error:
        if error.filename != str(path):
            raise
        reason = "another process works on this sweep; wait until it has ended"
        raise BlockingIOError(error.errno, reason, str(path)) from None


def _check_place(path: Path) -> None:
    """Raises unless there is nothing yet, or a sweep."""
    if not path.exists():
        return
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is in the way: not a folder", str(path))
    others = [name for name in os.listdir(path) if name != LOCK and not name.endswith(".part")]
    if others and SWEEP not in others:
        raise ValueError(f"{path} holds other files, such as {min(others)}, and no sweep; name a new folder")
