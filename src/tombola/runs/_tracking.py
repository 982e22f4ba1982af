"""Following a run in other tools: what a tool has to offer, and how it is told of every level once."""

from __future__ import annotations

import json
import os
import re
import secrets
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tombola.files import atomic_write
from tombola.ticket import check_json, strict_json

from ._level_files import TICKET, LevelRecord
from ._run_folder import CONFIG, LEVELS

KEY = "trackers.json"  # in the folder of levels, which may be there before the run is
METRICS = ("density", "kept", "accuracy", "loss", "step", "seconds")


@runtime_checkable
class Tracker(Protocol):
    """A tool in which runs are followed. One tracker follows one run at a time.

    Example:
        >>> class Lines:
        ...     def begin(self, name, parameters):
        ...         return ()
        ...     def record(self, metrics, *, step):
        ...         print(step, metrics["accuracy"])
        ...     def keep(self, path):
        ...         pass
        ...     def end(self, *, failed):
        ...         pass
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp()) / "run"
        >>> with tracked([Lines()], run, "digits", {"seed": 0}) as on_level:
        ...     on_level(LevelRecord(0, 1480, 1.0, 0.9, 0.3, 50, 1.0, 0.1), 1)
        0 0.9
    """

    def begin(self, name: str, parameters: Mapping[str, Any]) -> Collection[int]:
        """A run begins, or goes on if the tool knows one of this name.

        Args:
            name: of the run; no other run of the tool has it.
            parameters: JSON data.

        Returns:
            The steps that the tool has of the run already.

        Raises:
            ImportError: if the extra is not installed.
            OSError: if the tool cannot be reached.
        """
        ...

    def record(self, metrics: Mapping[str, float], *, step: int) -> None:
        """The metrics of a step, none of those that `begin` returned."""
        ...

    def keep(self, path: Path) -> None:
        """A file that belongs to the step that is recorded next."""
        ...

    def end(self, *, failed: bool) -> None:
        """The run has ended."""
        ...


@contextmanager
def tracked(
    trackers: Sequence[Tracker], run_folder: str | os.PathLike[str], name: str, parameters: Mapping[str, Any]
) -> Iterator[Callable[[LevelRecord, int], None]]:
    """A block in which trackers are told of the levels of a run: the ticket first, then the metrics.

    A run that goes on in its folder goes on in every tool, and a level that a tool has is not reported to it again: a
    key in the folder, `levels/trackers.json`, makes the name unique. A tracker that fails within the block is warned
    of once and told no more until the same run goes on; the run itself and the other trackers are not disturbed.

    Args:
        trackers: in the order in which they are told.
        run_folder: as `run_imp` takes it. If no run begins there, nothing is left behind.
        name: of the run, as it is to be shown; its key is added.
        parameters: JSON data, shown beside the name.

    Yields:
        What `run_imp` takes as `on_level`.

    Raises:
        ImportError: if the extra of a tracker is not installed.
        OSError: if a tool cannot be reached, or the folder cannot be written.
        ValueError: if the key of the folder is damaged.

    Example:
        >>> import tempfile
        >>> from tombola.data import load
        >>> from tombola.runs import ImpSettings, run_imp
        >>> settings = ImpSettings("mlp:64-20-10", steps=50, densities=(0.5,))
        >>> run = Path(tempfile.mkdtemp()) / "run"
        >>> with tracked([], run, "digits", settings.to_json()) as on_level:
        ...     len(run_imp(run, load("digits"), settings, on_level=on_level).levels)
        2
    """
    levels, failed = Path(run_folder) / LEVELS, True
    followed: list[_Followed] = []
    with _key(levels) if trackers else nullcontext("") as key:
        try:
            for tracker in trackers:
                followed.append(_Followed(tracker, tracker.begin(f"{name}-{key}", parameters)))

            def on_level(record: LevelRecord, of: int) -> None:
                for each in followed:
                    each.report(record, levels / f"{record.level:02d}" / TICKET)

            yield on_level
            failed = False
        finally:
            for each in followed:
                each.end(failed=failed)


@dataclass
class _Followed:
    """A tracker, the steps that it has, and whether it has failed."""

    tracker: Tracker
    seen: Collection[int]
    gone: bool = False

    def report(self, record: LevelRecord, ticket: Path) -> None:
        if self.gone or record.level in self.seen:
            return
        with self._warned():
            self.tracker.keep(ticket)
            metrics = {name: float(getattr(record, name)) for name in METRICS}
            self.tracker.record(metrics, step=record.level)

    def end(self, *, failed: bool) -> None:
        with self._warned():
            self.tracker.end(failed=failed)

    @contextmanager
    def _warned(self) -> Iterator[None]:
        """A block whose errors are one warning, the first time."""
        try:
            yield
        except Exception as error:
            if not self.gone:
                self.gone = True  # first of all: where warnings are errors, the next line raises
                said = f"{type(self.tracker).__name__} does not follow this run any more: {one_line(error)}"
                warnings.warn(f"{said}; the same run, called again, reports what it missed", RuntimeWarning, 2)


@contextmanager
def _key(levels: Path) -> Iterator[str]:
    """The key of a run, made if it is not there; removed at the end if there is no run then."""
    path = levels / KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not path.exists():
            with atomic_write(path) as file:
                file.write(json.dumps({"key": secrets.token_hex(4)}).encode())
        yield _read(path)
    finally:
        if not (levels.parent / CONFIG).exists():
            path.unlink(missing_ok=True)
            with suppress(OSError):  # not empty: it was there before
                levels.rmdir()
                levels.parent.rmdir()


def _read(path: Path) -> str:
    try:
        found = strict_json(path.read_text(encoding="utf-8"), "its text")
        check_json(found, {"key": str}, "text")
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {error}; delete it to follow the run under a new name") from error
    return found["key"]


def file_name(name: str) -> str:
    """A name as it may stand in paths, addresses and filters, cut to its last 100 characters.

    Example:
        >>> file_name("digits, seed 7")
        'digits--seed-7'
    """
    return re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)[-100:].lstrip(".")


def one_line(error: Exception) -> str:
    """The first line of what an error says."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def environment(**entries: str) -> Iterator[None]:
    """A block in which entries are in the environment; those that are there already stay. Put back afterwards.

    Example:
        >>> with environment(TOMBOLA_EXAMPLE="1"):
        ...     os.environ["TOMBOLA_EXAMPLE"]
        '1'
        >>> "TOMBOLA_EXAMPLE" in os.environ
        False
    """
    added = {name: value for name, value in entries.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
