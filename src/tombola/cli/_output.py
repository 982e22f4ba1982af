"""What verbs print: one table and one next step, or one JSON object."""

from __future__ import annotations

import io
import json
import math
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import typer

READER_GONE = 141  # what a shell reports for a program that its reader left behind
UNLIMITED = 400  # characters; a table that goes into a file or a pipe is not folded


def write(text: str) -> None:
    """Text on standard output, at once.

    Raises:
        typer.Exit: with `READER_GONE` if nobody reads any more.
    """
    encoding = sys.stdout.encoding or "utf-8"
    if not encoding.lower().startswith("utf"):
        text = text.replace("─", "-")
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        discard_output()
        raise typer.Exit(READER_GONE) from None


def discard_output() -> None:
    """From now on standard output goes nowhere, with what is left in its buffer, so that Python can exit quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def silence() -> None:
    """From now on neither standard output nor standard error goes anywhere."""
    discard_output()
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())


def print_json(record: Mapping[str, Any]) -> None:
    """One JSON object on standard output, and nothing else; numbers that are not finite become null."""
    write(json.dumps(_plain(record), allow_nan=False) + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Integral):
        return value if isinstance(value, bool) else int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    return value


def print_table(title: str, rows: Iterable[Sequence[object]], *, header: Sequence[str] = ()) -> None:
    """A title and a table below it on standard output; numbers are shown with as many digits as anyone reads."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD if header else None, show_header=bool(header), show_edge=False, padding=(0, 1))
    for column in range(max(map(len, [header, *rows]))):
        has_numbers = any(isinstance(row[column], Real) for row in rows)
        name = header[column] if header else ""
        table.add_column(Text(name), justify="right" if column and has_numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    is_terminal, drawn = sys.stdout.isatty(), io.StringIO()
    width = shutil.get_terminal_size().columns - 1 if is_terminal else UNLIMITED
    Console(file=drawn, width=width, force_terminal=is_terminal).print(table)
    lines = [f" {line.rstrip()}" for line in drawn.getvalue().splitlines()]
    write("\n".join([title, *(line for line in lines if line.strip()), ""]))


def print_next(*words: object) -> None:
    """The command that a user is likely to want next, quoted as a shell wants it."""
    write(f"next: {shlex.join(map(str, words))}\n")


def shown(value: object) -> str:
    """A value as a person reads it.

    Example:
        >>> shown(7383840), shown(0.0123456), shown(True), shown(None)
        ('7,383,840', '0.01235', 'yes', '-')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        number = float(value)
        return f"{number:,.0f}" if 1e5 <= abs(number) < 1e15 else f"{number:.4g}"
    return str(value)


def file_size(size: int | float) -> str:
    """A number of bytes with its unit.

    Example:
        >>> file_size(200239)
        '200.2 kB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
