"""What the runs come to over the seeds, and how it is printed."""

from __future__ import annotations

from typing import Any

from _common import interval

MEASURES = ("search", "training", "neurons", "construction", "certificate")
SIZES = ("search weights", "construction weights", "construction kept", "search seconds", "construction seconds")


def table(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Errors and sizes as intervals, by part and dimension."""
    found: dict[str, list[dict[str, Any]]] = {}
    for part, d in dict.fromkeys((one["part"], one["dimension"]) for one in runs):
        rows = [one for one in runs if (one["part"], one["dimension"]) == (part, d)]
        intervals = {name: interval([row[name] for row in rows]) for name in (*MEASURES, *SIZES)}
        found.setdefault(part, []).append({"dimension": d, "seeds": len(rows), **intervals})
    return found


def markdown(found: dict[str, list[dict[str, Any]]]) -> str:
    """The tables of the README."""
    tables = []
    for part, rows in found.items():
        lines = [f"| {part}: d | seeds | {' | '.join((*MEASURES, *SIZES[:3]))} |"]
        lines.append("|---" * (len(MEASURES) + 5) + "|")
        for row in rows:
            cells = [_cell(row[name]) for name in MEASURES] + [f"{row[name]['mean']:,.0f}" for name in SIZES[:3]]
            lines.append(f"| {row['dimension']} | {row['seeds']} | {' | '.join(cells)} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def _cell(value: dict[str, Any]) -> str:
    mean = f"{value['mean']:.3g}"
    return mean if not value["ci95"] else f"{mean} ± {value['ci95']:.2g}"
