"""What verbs print: one table and one next step, or one JSON object."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

QUIET_SECONDS = 2.0  # work shorter than this shows no progress
LINE_SECONDS = 5.0  # between progress lines where there is no terminal


def print_json(record: dict[str, Any]) -> None:
    """One JSON object on standard output, and nothing else."""
    sys.stdout.write(json.dumps(record, default=_plain, allow_nan=False) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(title: str, rows: Iterable[Sequence[object]], *, header: Sequence[str] = ()) -> None:
    """One table on standard output; numbers are shown with as many digits as anyone reads."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=bool(header), header_style="bold")
    cells = [[shown(cell) for cell in row] for row in rows]
    for column in range(len(header) or (len(cells[0]) if cells else 0)):
        table.add_column(header[column] if header else "", justify="left" if column == 0 else "right", overflow="fold")
    for row in cells:
        table.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)


def print_next(command: str) -> None:
    """The next step that a user is likely to want."""
    sys.stdout.write(f"next: {command}\n")


def shown(value: object) -> str:
    """A value as a person reads it.

    Example:
        >>> shown(7383840), shown(0.0123456), shown(True), shown(None)
        ('7,383,840', '0.01235', 'yes', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        number = float(value)
        return f"{number:,.0f}" if abs(number) >= 1e5 and math.isfinite(number) else f"{number:.4g}"
    return str(value)


def file_size(size: float) -> str:
    """A number of bytes with its unit.

    Example:
        >>> file_size(200239)
        '200.2 kB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of items just done: a bar on a terminal, plain lines on standard error elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total)
            yield lambda done: bar.advance(task, done)
    else:
        yield _Lines(label, total)


class _Lines:
    """Progress as plain lines, none at all for short work."""

    def __init__(self, label: str, total: int | None) -> None:
        self._label, self._total, self._done = label, total, 0
        self._next = time.monotonic() + QUIET_SECONDS
        self._lock = threading.Lock()

    def __call__(self, done: int) -> None:
        with self._lock:
            self._done += done
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + LINE_SECONDS
                of = f" of {self._total:,}" if self._total else ""
                sys.stderr.write(f"{self._label}: {self._done:,}{of}\n")
                sys.stderr.flush()
