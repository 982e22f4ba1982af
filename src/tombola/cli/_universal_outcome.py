"""How a read-out does on rows of a table, next to the same read-out on exact features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._output import shown
from ._universal_read_out import NUMBERS, ReadOut

if TYPE_CHECKING:
    import numpy as np

    from ._universal_table import Table
    from ._universal_ticket import Universal


def target_of(table: Table, name: str, task: str) -> np.ndarray:
    """The target `(rows,)`: float64, or names of classes."""
    return table.values(name) if task == NUMBERS else table.labels(name)


def outcome(read_out: ReadOut, universal: Universal, columns: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """What comes out for rows of a table, as JSON data.

    Args:
        read_out: of this ticket.
        universal: the ticket.
        columns: `(rows, columns)` the columns of the read-out, as they stand in the table.
        target: `(rows,)`.
    """
    import numpy as np

    inputs, clipped = read_out.inputs(columns)
    ours, bounds = read_out.outputs(universal.features(inputs)), universal.bounds(read_out.coefficients)
    record: dict[str, Any] = {
        "task": read_out.task,
        "target": read_out.target,
        "rows": len(columns),
        "values": inputs.size,
        "clipped": clipped,
        "score": read_out.score(ours, target),
        "score_exact": None,
        "target_deviation": float(target.std()) if read_out.task == NUMBERS else None,
        "bound": float(bounds.max()) if np.isfinite(bounds).all() else None,
        "largest_difference": None,
        "surely_same": read_out.surely_same(ours, bounds),
    }
    if universal.family is not None:
        exact = read_out.outputs(universal.family.exact(inputs))
        differences = {"largest_difference": float(np.abs(ours - exact).max())}
        record |= {"score_exact": read_out.score(exact, target), **differences}
    return record


def outcome_rows(record: dict[str, Any]) -> list[tuple[str, object]]:
    """The same for people."""
    numbers = record["task"] == NUMBERS
    bound = "not proved" if record["bound"] is None else f"at most {shown(record['bound'])} (proved)"
    what = "predictions" if numbers else "decision values"
    rows: list[tuple[str, object]] = [
        ("R^2" if numbers else "accuracy", record["score"]),
        ("the same read-out on exact features", record["score_exact"]),
        (f"difference of {what}, over the box", bound),
        ("largest seen", record["largest_difference"]),
    ]
    if numbers:
        rows.append(("standard deviation of the target", record["target_deviation"]))
    else:
        rows.append(("rows proved to be of the same class", f"{record['surely_same']:.1%}"))
    rows.append(("values moved into the box", f"{shown(record['clipped'])} of {shown(record['values'])}"))
    return rows
