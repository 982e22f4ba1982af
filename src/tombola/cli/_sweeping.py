"""A study that is run in a folder, and what is printed of it: `tombola sweep` and `tombola prune --compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._output import print_json, print_next, print_table, shown
from ._progress import progress

if TYPE_CHECKING:
    from tombola.runs import Cell, Study, SweepEvent, SweepResult

SOME_FAILED = 1  # the exit code of a check that failed
ALWAYS = ("method", "density", "seeds", "accuracy")  # columns; others are there if cells differ in them
ADDS = "kept_multiply_adds"  # of one example
FORESEEN = ("cell", "method", "data", "model", "seed")


def swept(
    wanted: Study,
    output: Path,
    who: Any,  # noqa: ANN401 - Workers, which loads torch
    trackers: tuple[str, ...],
) -> SweepResult:
    """What `runs.sweep` makes of a study, with progress shown."""
    from tombola.runs import sweep

    with progress(f"sweep {wanted.name}", text="the first cell") as bar:

        def report(event: SweepEvent) -> None:
            failed = event.result is not None and event.result.error is not None
            last = f", last: {event.result.cell.describe()}" if event.result is not None else ""
            levels = f"{event.levels} level{'' if event.levels == 1 else 's'}"
            bar.reach(event.done, event.of, f"{levels}{last}{' FAILED' if failed else ''}")

        return sweep(wanted.cells, output, workers=who, trackers=trackers, on_event=report)


def print_cells(wanted: Study, as_json: bool) -> None:
    """The cells of a study, none of which is run."""
    if as_json:
        print_json({"study": wanted.name, "cells": [{"cell": cell.name, **cell.to_json()} for cell in wanted.cells]})
        return
    settings = [cell.flat() for cell in wanted.cells]
    columns = [*FORESEEN, *(name for name in _differing(settings) if name not in FORESEEN)]
    rows = [[_text(record.get(column)) for column in columns] for record in settings]
    print_table(f"{wanted.name}: {_counted(len(rows), 'cell')}; nothing was run", rows, header=columns)


def print_summary(wanted: Study, output: Path, done: SweepResult, as_json: bool) -> None:
    """What cells came to, over seeds, and which of them failed."""
    summary = done.summary()
    if as_json:
        failed = [_failure(result.cell, result.error) for result in done.failed]
        new = sum(result.is_new for result in done.results)
        cells = [{"cell": cell.name, **cell.to_json()} for cell in wanted.cells]
        record = {"sweep": str(output), "study": wanted.name, "cells": cells, "run_now": new}
        print_json({**record, "summary": summary, "failed": failed})
        return
    new = sum(result.is_new for result in done.results)
    if summary:
        more = [name for name in _differing(summary) if name not in {*ALWAYS, ADDS, "level", "interval"}]
        columns = ["method", *more, *ALWAYS[1:], *([ADDS] if all(ADDS in record for record in summary) else [])]
        rows = [[_text(_with_interval(record).get(column)) for column in columns] for record in summary]
        title = f"{wanted.name}: {_counted(len(done.results), 'cell')}, {new} run now"
        header = ["multiply-adds" if column == ADDS else column for column in columns]
        print_table(f"{title}; accuracy with its 95 % interval over seeds", rows, header=header)
    if done.failed:
        failures = [_failure(result.cell, result.error) for result in done.failed]
        print_table("failed", [list(failure.values()) for failure in failures], header=list(failures[0]))
    print_next("tombola", "runs", "list", output)


def _failure(cell: Cell, error: str | None) -> dict[str, Any]:
    about = cell.flat()
    return {**{name: about[name] for name in FORESEEN}, "reason": error}


def _differing(records: list[dict[str, Any]]) -> list[str]:
    """The entries that are not the same in all records."""
    return [name for name in records[0] if any(record.get(name) != records[0][name] for record in records)]


def _with_interval(record: dict[str, Any]) -> dict[str, Any]:
    mean, half = record["accuracy"], record["interval"]
    return {**record, "accuracy": f"{mean:.4f}" if half is None else f"{mean:.4f} ± {half:.4f}"}


def _text(value: object) -> object:
    return ", ".join(map(shown, value)) if isinstance(value, list) else value


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
