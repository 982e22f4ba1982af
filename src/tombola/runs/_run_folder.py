"""A folder that belongs to one configuration and, while it is open, to one process."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from tombola import __version__
from tombola.files import atomic_write
from tombola.ticket import check_json, strict_json

CONFIG, LOCK, LEVELS = "config.json", "lock", "levels"
WHOLE = {"configuration": {}, "sha256": str, "versions": {str: str}}


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run: `config.json`, `lock` and whatever the run writes.

    Attributes:
        path: of the folder.
        sha256: of the configuration as canonical JSON.
    """

    path: Path
    sha256: str

    @classmethod
    @contextmanager
    def opened(cls, path: str | os.PathLike[str], configuration: Mapping[str, Any]) -> Iterator[RunFolder]:
        """The folder of a configuration, made if it is not there, locked while the block runs.

        The lock is one of the system, which releases it when the process ends, however it ends. Temporary files that
        a killed process left behind are removed.

        Args:
            path: of the folder.
            configuration: JSON data; everything that the outcome depends on.

        Raises:
            ValueError: if the folder belongs to another configuration or to other versions of the libraries, or holds
                files of something else.
            OSError: if another process works there, or the folder cannot be written.

        Example:
            >>> import tempfile
            >>> place = Path(tempfile.mkdtemp()) / "run"
            >>> with RunFolder.opened(place, {"steps": 100}) as run:
            ...     run.write("result.json", {"accuracy": 0.5})
            >>> with RunFolder.opened(place, {"steps": 200}) as run:
            ...     pass  # doctest: +ELLIPSIS
            Traceback (most recent call last):
            ValueError: ... has another configuration: steps is 100 there, 200 here; ...
        """
        path, wanted = Path(path), json.loads(_canonical(configuration))
        _check_place(path)
        path.mkdir(parents=True, exist_ok=True)
        _check_writable(path)
        with _locked(path / LOCK):
            (path / LEVELS).mkdir(exist_ok=True)
            _check_writable(path / LEVELS)
            for left in [*path.glob(".*.part"), *path.glob(f"{LEVELS}/*/.*.part")]:
                left.unlink()
            sha256 = hashlib.sha256(_canonical(wanted).encode()).hexdigest()
            run = cls(path, sha256)
            if (path / CONFIG).exists():
                _check_same(path, wanted)
            else:
                run.write(CONFIG, {"configuration": wanted, "sha256": sha256, "versions": _versions()})
            yield run

    def write(self, name: str, *records: Mapping[str, Any], forced: bool = True) -> None:
        """Writes JSON objects to a file, a line each, atomically; a file that holds them already is left alone.

        Args:
            name: of the file in the folder.
            records: one for each line.
            forced: whether to wait for the disk, see `tombola.files.atomic_write`.

        Raises:
            OSError: if it cannot be written.
        """
        path = self.path / name
        content = "".join(_canonical(record) + "\n" for record in records).encode()
        if not (path.is_file() and path.read_bytes() == content):
            with atomic_write(path, forced=forced) as file:
                file.write(content)


def _canonical(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _versions() -> dict[str, str]:
    """Of the libraries on which the numbers depend; without what a build adds to its version."""
    return {"tombola": __version__, "torch": str(torch.__version__).partition("+")[0]}


def _check_place(path: Path) -> None:
    """Raises unless there is nothing yet, or a run."""
    if not path.exists():
        return
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is in the way: not a folder", str(path))
    others = [name for name in os.listdir(path) if name not in {LOCK, LEVELS} and not name.endswith(".part")]
    if others and CONFIG not in others:
        raise ValueError(f"{path} holds other files, such as {min(others)}, and no run; name a new folder")


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "the folder cannot be written", str(path))


def _check_same(path: Path, wanted: dict[str, Any]) -> None:
    """Raises ValueError unless the folder is one of this configuration and of these versions."""
    try:
        found = strict_json((path / CONFIG).read_text(encoding="utf-8"), "its text")
        check_json(found, WHOLE, "text")
        if hashlib.sha256(_canonical(found["configuration"]).encode()).hexdigest() != found["sha256"]:
            raise ValueError("its configuration does not match its SHA-256")
    except ValueError as error:
        raise ValueError(f"{path / CONFIG} is damaged: {error}; name a new folder") from error
    if differing := _differences(found["configuration"], wanted):
        reason = f"has another configuration: {differing}"
        raise ValueError(f"the run in {path} {reason}; ask for the same, or name another folder")
    if differing := _differences(found["versions"], _versions()):
        reason = f"was begun with other versions: {differing}"
        raise ValueError(f"the run in {path} {reason}; install the versions of the run, or name another folder")


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """The entries that differ, in words."""
    names = [name for name in sorted({*there, *here}) if there.get(name) != here.get(name)]
    return ", ".join(f"{name} is {_said(there.get(name))} there, {_said(here.get(name))} here" for name in names)


def _said(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:12]}..."


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """A block in which no other process has the lock."""
    import fcntl  # not on every system

    with open(path, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = "another process works on this run; wait until it has ended"
            raise BlockingIOError(error.errno, reason, str(path.parent)) from None
        except OSError as error:
            raise OSError(error.errno, f"cannot be locked: {error.strerror}", str(path)) from error
        yield file
