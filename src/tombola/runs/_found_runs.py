"""The runs below a folder, read from their files without any hashing."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tombola.ticket import check_json, strict_json

from ._level_files import NUMBERS, LevelRecord
from ._run_folder import CONFIG, LEVELS, LOCK, WHOLE, _locked


@dataclass(frozen=True)
class FoundRun:
    """A run folder, as it is at this moment.

    Attributes:
        path: of the folder.
        settings: its configuration, with entries of the caller's own after `run_levels`; empty if `config.json` is
            damaged.
        levels: the records of the levels that `metrics.jsonl` has.
        state: "finished", "unfinished", "locked" while a process works there, or "damaged".
    """

    path: Path
    settings: dict[str, Any]
    levels: tuple[LevelRecord, ...]
    state: str

    @property
    def method(self) -> str | None:
        """How its ticket is found; a run of `run_imp` says it by what goes back."""
        reset = self.settings.get("reset")
        return self.settings.get("method", "imp" if reset == "weights" else reset)

    @property
    def of(self) -> int | None:
        """How many levels it is to have."""
        densities, levels = self.settings.get("densities"), self.settings.get("levels")
        if densities is not None:
            return len(densities) + 1
        return None if levels is None else levels + 1


def find_runs(folder: str | os.PathLike[str]) -> list[FoundRun]:
    """Every run in a folder or below it, sorted by path. Symbolic links are not followed.

    Raises:
        FileNotFoundError: if there is no such folder.

    Example:
        >>> import tempfile
        >>> from tombola.runs import grid, sweep
        >>> place = Path(tempfile.mkdtemp()) / "study"
        >>> cells = grid({"data": "digits", "model": "mlp:64-20-10", "steps": 50, "densities": [0.2], "seed": [0, 1]})
        >>> _ = sweep(cells, place)
        >>> [(run.method, run.state, len(run.levels), run.of) for run in find_runs(place)]
        [('imp', 'finished', 2, 2), ('imp', 'finished', 2, 2)]
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(folder))
    return sorted((read_run(path) for path in _folders(folder)), key=lambda run: run.path)


def read_run(path: str | os.PathLike[str]) -> FoundRun:
    """The run in a folder.

    Raises:
        ValueError: if the folder holds no run.

    Example:
        >>> read_run("/")
        Traceback (most recent call last):
        ValueError: / is no run: it has no config.json beside a folder of levels
    """
    path = Path(path)
    if not _is_run(path):
        raise ValueError(f"{path} is no run: it has no {CONFIG} beside a folder of {LEVELS}")
    settings = _settings(path)
    state = "finished" if (path / "result.json").is_file() else "unfinished"
    if _is_locked(path):
        state = "locked"
    elif not settings:
        state = "damaged"
    return FoundRun(path, settings, records_of(path), state)


def remove_runs(*paths: str | os.PathLike[str]) -> None:
    """Removes run folders with all that is in them; none if one of them cannot be removed.

    Raises:
        ValueError: if one is no run, or a symbolic link.
        OSError: if a process works in one, or it cannot be removed.

    Example:
        >>> remove_runs("/")
        Traceback (most recent call last):
        ValueError: / is no run: it has no config.json beside a folder of levels
    """
    runs = [read_run(path).path for path in dict.fromkeys(Path(os.path.normpath(path)) for path in paths)]
    for path in runs:
        if path.is_symlink():
            raise ValueError(f"{path} is a symbolic link; name the folder that it stands for")
    with ExitStack() as held:
        for path in runs:
            held.enter_context(_locked(path / LOCK))
        for path in runs:
            (path / CONFIG).unlink()  # what is left, if this is interrupted, is no run any more
            shutil.rmtree(path)


def _folders(folder: Path) -> Iterator[Path]:
    for place, below, _ in os.walk(folder):
        if _is_run(Path(place)):
            below.clear()
            yield Path(place)


def _is_run(path: Path) -> bool:
    return (path / CONFIG).is_file() and (path / LEVELS).is_dir()


def _settings(path: Path) -> dict[str, Any]:
    try:
        content = strict_json((path / CONFIG).read_text(encoding="utf-8"), "its text")
        check_json(content, WHOLE, "text")
    except (OSError, ValueError):
        return {}
    return content["configuration"]


def records_of(path: Path) -> tuple[LevelRecord, ...]:
    """The levels that a run has written down; none if that is damaged: it is written again when the run goes on."""
    try:
        lines = (path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        found = [strict_json(line, "a line") for line in lines]
        check_json(found, [dict(NUMBERS)], "text")
    except (OSError, ValueError):
        return ()
    return tuple(map(LevelRecord.from_json, found))


def _is_locked(path: Path) -> bool:
    """Whether a process works in a run; asking does not keep one from beginning for longer than an instant."""
    import fcntl

    try:
        with open(path / LOCK, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
