"""What the runs come to over the seeds, and how it is printed."""

from __future__ import annotations

from typing import Any

from _common import interval

DENSE, LATE, EARLY = "dense", "weights to k", "weights to 0"
RATE, TUNED, RANDOM, AGAIN = "learning rate", "fine-tuning", "random masks", "dense, again"
PAIRS = [(RATE, LATE), (LATE, TUNED), (RATE, TUNED), (LATE, EARLY), (LATE, RANDOM), (RATE, AGAIN)]
PUBLISHED = {  # errors in percent of the authors' own full runs, median of 3, at densities .512, .210 and .107
    DENSE: [8.27],
    LATE: [8.01, 8.33, 9.00],
    EARLY: [9.41, 10.79, 13.32],
    RATE: [7.71, 8.11, 8.99],
    TUNED: [8.63, 9.54, 10.68],
}


def table(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracies, differences between networks of equal seeds, and lines between networks, over the seeds."""
    densities = {(row["method"], row["level"]): row["density"] for row in runs[0]["rows"]}
    values = {
        key: [row["accuracy"] for one in runs for row in one["rows"] if (row["method"], row["level"]) == key]
        for key in densities
    }
    networks, differences = [], []
    for (method, level), density in densities.items():
        row = {"method": method, "level": level, "density": density, "accuracy": interval(values[method, level])}
        networks.append(row | _difference(values, (method, level), (DENSE, 0)))
    for one, other in PAIRS:
        for level in [level for method, level in densities if method == other]:
            row = {"method": one, "less": other, "level": level, "density": densities[one, level]}
            differences.append(row | _difference(values, (one, level), (other, level)))
    return {"networks": networks, "differences": differences, "lines": _lines(runs)}


def _difference(
    values: dict[tuple[str, int], list[float]], one: tuple[str, int], other: tuple[str, int]
) -> dict[str, Any]:
    """In points, seed by seed, beside the published one where both errors are."""
    paired = [mine - its for mine, its in zip(values[one], values[other], strict=True)]
    return {"difference": interval(paired), "published": _published(one, other)}


def _published(one: tuple[str, int], other: tuple[str, int]) -> float | None:
    if one[0] not in PUBLISHED or other[0] not in PUBLISHED or one == other:
        return None
    mine, its = (PUBLISHED[method][level - (method != DENSE)] for method, level in (one, other))
    return round(its - mine, 2)


def _lines(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found, first = [], [one["lines"][0]["barrier"] for one in runs]
    for i, line in enumerate(runs[0]["lines"]):
        heights = [one["lines"][i]["barrier"] for one in runs]
        ends = [(one["lines"][i]["errors"][0] + one["lines"][i]["errors"][-1]) / 2 for one in runs]
        falls = [height - before for height, before in zip(heights, first, strict=True)]
        row = {"step": line["step"], "barrier": interval(heights), "ends": interval(ends)}
        found.append(row | {"difference": interval(falls) if i else None})
    return found


def markdown(found: dict[str, Any]) -> str:
    """The three tables of the README."""
    lines = [
        "| network | density | accuracy, % | change from dense, points | published change |",
        "|---|---|---|---|---|",
    ]
    for row in found["networks"]:
        change = "" if row["method"] == DENSE else _cell(row["difference"], "+.2f")
        cells = [
            row["method"],
            f"{row['density']:.3f}",
            _cell(row["accuracy"], ".2f"),
            change,
            _number(row["published"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| difference of accuracies | density | here, points | published |", "|---|---|---|---|"]
    for row in found["differences"]:
        cells = [f"{row['method']} - {row['less']}", f"{row['density']:.3f}", _cell(row["difference"], "+.2f")]
        lines.append(f"| {' | '.join([*cells, _number(row['published'])])} |")
    lines += ["", "| copies from step | barrier, points | error at the ends, % | barrier less that from 0 |"]
    lines.append("|---|---|---|---|")
    for row in found["lines"]:
        less = _cell(row["difference"], "+.2f") if row["difference"] else ""
        lines.append(f"| {row['step']} | {_cell(row['barrier'], '.2f')} | {_cell(row['ends'], '.2f')} | {less} |")
    return "\n".join(lines)


def _cell(value: dict[str, float], form: str) -> str:
    mean = f"{value['mean']:{form}}"
    return mean if value["ci95"] is None else f"{mean} ± {value['ci95']:.2f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:+.2f}"
