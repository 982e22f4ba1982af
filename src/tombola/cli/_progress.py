"""How far work has come, on standard error: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

QUIET_SECONDS = 2.0  # work shorter than this shows no lines
LINE_SECONDS = 5.0, 60.0  # between lines, at first and in the end


class Progress(Protocol):
    """What work reports to."""

    def add(self, count: int) -> None:
        """So many items more are done; nobody knows how many there will be."""
        ...

    def reach(self, done: int, of: int, text: str) -> None:
        """So many items of a known number are done."""
        ...


@contextmanager
def progress(label: str, unit: str = "", *, text: str = "") -> Iterator[Progress]:
    """Shows progress while the block runs; it may be reported from any thread.

    Args:
        label: what is being done.
        unit: what `add` counts.
        text: what is shown until there is something to count.
    """
    if not sys.stderr.isatty():
        lines = _Lines(label, unit, text)
        try:
            yield lines
        finally:
            lines.close()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("{task.description}", markup=False), BarColumn(20), TextColumn("{task.fields[text]}")
    with Bar(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        yield _Terminal(bar, label, unit, text)


class _Terminal:
    """Progress as one line that is drawn again and again, and wiped at the end."""

    def __init__(self, bar: Bar, label: str, unit: str, text: str) -> None:
        self._bar, self._unit, self._count, self._lock = bar, unit, 0, threading.Lock()
        self._task = bar.add_task(label, total=None, text=text)

    def add(self, count: int) -> None:
        with self._lock:
            self._count += count
            self._bar.update(self._task, text=f"{self._count:,} {self._unit}")

    def reach(self, done: int, of: int, text: str) -> None:
        self._bar.update(self._task, completed=done, total=of, text=text)


class _Lines:
    """Progress as a line now and then, none at all for short work."""

    def __init__(self, label: str, unit: str, text: str) -> None:
        self._label, self._unit, self._count, self._text = label, unit, 0, text
        self._started, self._ended, self._lock = time.monotonic(), threading.Event(), threading.Lock()
        threading.Thread(target=self._run, daemon=True).start()

    def add(self, count: int) -> None:
        with self._lock:
            self._count += count
            self._text = f"{self._count:,} {self._unit}"

    def reach(self, done: int, of: int, text: str) -> None:
        self._text = f"{done} of {of}, {text}"

    def close(self) -> None:
        """No more lines."""
        self._ended.set()

    def _run(self) -> None:
        wait, longest = QUIET_SECONDS, LINE_SECONDS[1]
        while not self._ended.wait(wait):
            text = f"{self._text}, " if self._text else ""
            sys.stderr.write(f"{self._label}: {text}{time.monotonic() - self._started:.0f} s\n")
            sys.stderr.flush()
            wait = min(longest, max(LINE_SECONDS[0], 1.5 * wait))
