"""What the runs come to over the seeds, beside what can be read off the published figure, and how it is printed."""

from __future__ import annotations

from typing import Any

from _common import interval
from _networks import LINEAR, RELU, VARIANTS, WIDE

PUBLISHED = {  # test accuracy in percent of FC2, read off the figure, +-1 (at 0.5 the middle of a range)
    0.05: {LINEAR: 37, RELU: 66, WIDE: 82},
    0.1: {LINEAR: 96, RELU: 97, WIDE: 97},
    0.5: {LINEAR: 97.8, RELU: 96.8, WIDE: 98},
    0.75: {LINEAR: 97.4, RELU: 93.4, WIDE: 98},
    0.9: {LINEAR: 95.9, RELU: 78.7, WIDE: 97},
    0.95: {LINEAR: 89, RELU: 57.5, WIDE: 95},
    0.98: {LINEAR: 70, RELU: 23, WIDE: None},
}
PAIRS = ((LINEAR, WIDE), (RELU, WIDE), (RELU, LINEAR))


def table(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracies over the seeds, and differences between variants of equal seeds."""
    found: dict[tuple[str, float], list[float]] = {}
    for one in runs:
        for row in one["rows"]:
            found.setdefault((row["variant"], row["pruned"]), []).append(row["accuracy"])
    networks = [
        {"variant": variant, "pruned": pruned, "accuracy": interval(values), "published": _published(variant, pruned)}
        for (variant, pruned), values in found.items()
    ]
    fractions = list(dict.fromkeys(pruned for _, pruned in found))
    differences = [
        {"variant": one, "less": other, "pruned": pruned, "difference": _difference(found, one, other, pruned)}
        for pruned in fractions
        for one, other in PAIRS
    ]
    return {"seeds": len(runs), "networks": networks, "differences": differences}


def _published(variant: str, pruned: float) -> float | None:
    return PUBLISHED.get(pruned, {}).get(variant)


def _difference(found: dict[tuple[str, float], list[float]], one: str, other: str, pruned: float) -> dict[str, float]:
    return interval([a - b for a, b in zip(found[one, pruned], found[other, pruned], strict=True)])


def markdown(found: dict[str, Any]) -> str:
    """The two tables of the README: accuracies beside the published ones, and differences."""
    return f"{_accuracies(found)}\n\n{_differences(found)}"


def _accuracies(found: dict[str, Any]) -> str:
    at = {(row["variant"], row["pruned"]): row for row in found["networks"]}
    lines = [_line(["pruned", *VARIANTS, *(f"{variant}, published" for variant in VARIANTS)]), "|---" * 7 + "|"]
    for pruned in dict.fromkeys(row["pruned"] for row in found["networks"]):
        rows = [at[variant, pruned] for variant in VARIANTS]
        theirs = ["" if row["published"] is None else f"{row['published']:g}" for row in rows]
        lines.append(_line([f"{pruned:g}", *(_cell(row["accuracy"], ".1f") for row in rows), *theirs]))
    return "\n".join(lines)


def _differences(found: dict[str, Any]) -> str:
    at = {(row["variant"], row["less"], row["pruned"]): row["difference"] for row in found["differences"]}
    lines = [_line(["difference, points", *(f"{one} - {other}" for one, other in PAIRS)]), "|---" * 4 + "|"]
    for pruned in dict.fromkeys(row["pruned"] for row in found["differences"]):
        lines.append(_line([f"{pruned:g}", *(_cell(at[one, other, pruned], "+.1f") for one, other in PAIRS)]))
    return "\n".join(lines)


def _cell(value: dict[str, float], form: str) -> str:
    mean = f"{value['mean']:{form}}"
    return mean if value["ci95"] is None else f"{mean} ± {value['ci95']:.1f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
