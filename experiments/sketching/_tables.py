"""What the runs come to over the seeds, and how it is printed."""

from __future__ import annotations

from typing import Any

from _common import interval
from _methods import CONTROLS, FAMILIES, MANY, METHODS, TEMPERATURES, Method, drawn

PAIRS = [  # one, less the other
    *((drawn(one, t), one) for one in FAMILIES for t in TEMPERATURES[one.score] if t),
    *((drawn(Method("synflow"), t), MANY) for t in TEMPERATURES["synflow"]),
    *((one, Method(one.score, rounds=one.rounds)) for one in CONTROLS),
]
MARGIN = 0.3  # points, by which a drawn mask may fall behind and still count as no worse


def table(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracies, shares of weights on a path, and differences between networks of equal seeds; by part and density."""
    return {part: _part([one["rows"] for one in runs if one["part"] == part]) for part in _ordered(runs)}


def _ordered(runs: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["part"] for one in runs))


def _part(seeds: list[list[dict[str, Any]]]) -> dict[str, Any]:
    keys = [(row["method"], row["density"]) for row in seeds[0]]
    rows = {key: [seed[i] for seed in seeds] for i, key in enumerate(keys)}
    values = {key: [row["accuracy"] for row in found] for key, found in rows.items()}
    networks = [
        {"method": method, "density": density, "accuracy": interval(values[method, density])}
        | ({} if method == "dense" else _connected(rows[method, density]))
        for method, density in keys
    ]
    differences = []
    for one, other in PAIRS:
        for density in [density for method, density in keys if method == other.name]:
            paired = [a - b for a, b in zip(values[one.name, density], values[other.name, density], strict=True)]
            found = interval(paired)
            row = {"method": one.name, "less": other.name, "density": density, "difference": found}
            differences.append(row | {"verdict": verdict(found)})
    return {"seeds": len(seeds), "networks": networks, "differences": differences}


def _connected(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How much of the masks lies on a path from input to output, of how many seeds nothing does."""
    shares = [row["effective"] / row["density"] for row in rows]
    return {"on a path": sum(shares) / len(shares), "collapsed": sum(share == 0 for share in shares)}


def verdict(found: dict[str, float]) -> str:
    """What an interval of differences says; of one seed nothing."""
    if found["ci95"] is None:
        return "open"
    low, high = found["mean"] - found["ci95"], found["mean"] + found["ci95"]
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "no worse" if low >= -MARGIN else "open"


def markdown(found: dict[str, Any]) -> str:
    """The tables of the README: for each part accuracies by density, then differences."""
    return "\n\n".join(f"{_accuracies(name, part)}\n\n{_differences(name, part)}" for name, part in found.items())


def _accuracies(name: str, part: dict[str, Any]) -> str:
    densities = _densities(part)
    dense, *rows = part["networks"]
    at = {(row["method"], row["density"]): row for row in rows}
    lines = [_line([f"{name}, {part['seeds']} seeds: accuracy, %", *(f"{100 * d:g} %" for d in densities)])]
    lines += [
        "|---" * (len(densities) + 1) + "|",
        _line(["dense", _cell(dense["accuracy"], ".1f")] + [""] * (len(densities) - 1)),
    ]
    for method in METHODS:
        cells = [_marked(at[method.name, density], part["seeds"]) for density in densities]
        lines.append(_line([method.name, *cells]))
    return "\n".join(lines)


def _differences(name: str, part: dict[str, Any]) -> str:
    densities = _densities(part)
    at = {(row["method"], row["less"], row["density"]): row for row in part["differences"]}
    lines = [_line([f"{name}: difference, points", *(f"{100 * d:g} %" for d in densities)])]
    lines.append("|---" * (len(densities) + 1) + "|")
    for one, other in PAIRS:
        found = [at[one.name, other.name, density] for density in densities]
        cells = [f"{_cell(row['difference'], '+.1f')}{MARKS[row['verdict']]}" for row in found]
        lines.append(_line([f"{one.name} - {other.name}", *cells]))
    return "\n".join(lines)


MARKS = {"better": " ▲", "worse": " ▼", "no worse": " =", "open": ""}


def _densities(part: dict[str, Any]) -> list[float]:
    return list(dict.fromkeys(row["density"] for row in part["networks"] if row["method"] != "dense"))


def _marked(row: dict[str, Any], seeds: int) -> str:
    """An accuracy, with a cross for each seed whose masks leave no path."""
    cell = _cell(row["accuracy"], ".1f")
    return f"{cell} †" if row["collapsed"] == seeds else f"{cell} ({row['collapsed']} †)" if row["collapsed"] else cell


def _cell(value: dict[str, float], form: str) -> str:
    mean = f"{value['mean']:{form}}"
    return mean if value["ci95"] is None else f"{mean} ± {value['ci95']:.1f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
