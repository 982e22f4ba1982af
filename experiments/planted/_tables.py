"""What the runs come to over the seeds, and how it is printed."""

from __future__ import annotations

from typing import Any

from _common import interval

COLUMNS = {"recall": ".1f", "strong": ".1f", "weak": ".1f"}  # and how many digits are printed


def table(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Kept share, recall and quality before and after training as intervals, by task, depth, method and density."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in runs:
        for row in one["rows"]:
            found.setdefault((one["task"], one["depth"], row["method"], row["density"]), []).append(row)
    named = [dict(zip(("task", "depth", "method", "density"), key, strict=True)) for key in found]
    return [
        name
        | {"seeds": len(rows)}
        | {column: interval([row[column] for row in rows]) for column in ("share", *COLUMNS)}
        for name, rows in zip(named, found.values(), strict=True)
    ]


def markdown(rows: list[dict[str, Any]]) -> str:
    """The tables of the README, one for each task and depth: methods by density."""
    parts = dict.fromkeys((row["task"], row["depth"]) for row in rows)
    return "\n\n".join(_part([row for row in rows if (row["task"], row["depth"]) == part]) for part in parts)


def _part(rows: list[dict[str, Any]]) -> str:
    at = {(row["method"], row["density"]): row for row in rows}
    seeds = {row["seeds"] for row in rows}
    densities = [density for density in dict.fromkeys(row["density"] for row in rows) if density != "1"]
    own = at["planted", "ticket"]["share"]["mean"]
    first = f"{rows[0]['task']}, depth {rows[0]['depth']}, {min(seeds)} seeds"
    heads = [f"{own:.2g} (ticket)" if density == "ticket" else density for density in densities]
    lines = [_line([first, *heads]), "|---" * (len(densities) + 1) + "|"]
    for method in dict.fromkeys(row["method"] for row in rows):
        found = [at.get((method, density)) for density in densities]
        if method == "dense":
            found = [at[method, "1"]]
        cells = ["" if row is None else _cell(row) for row in found]
        lines.append(_line([method, *cells, *[""] * (len(densities) - len(cells))]))
    return "\n".join(lines)


def _cell(row: dict[str, Any]) -> str:
    return " · ".join(_interval(row[column], form) for column, form in COLUMNS.items())


def _interval(value: dict[str, Any], form: str) -> str:
    mean = f"{value['mean']:{form}}"
    return mean if not value["ci95"] else f"{mean} ± {value['ci95']:{form}}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
