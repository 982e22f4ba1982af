"""What the runs come to over the seeds, and how it is printed."""

from __future__ import annotations

from typing import Any

from _common import interval

PIXELS, RANDOM, SHUFFLED, SEARCH, OWN = "pixels", "random network", "shuffled mask", "search itself", "own ticket"
Key = tuple[str, float, str, str]  # shape, density, features, data


def ticket(data: str) -> str:
    """The name of the features of the ticket that was searched on a data set."""
    return f"ticket of {data}"


def table(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Accuracies over the seeds, and differences between features of equal seeds."""
    found: dict[Key, list[float]] = {}
    for one in runs:
        for row in one["rows"]:
            key = row["shape"], row["density"], row["features"], row["data"]
            found.setdefault(key, []).append(row["accuracy"])
    names = ("shape", "density", "features", "data")
    accuracies = [dict(zip(names, key, strict=True)) | {"accuracy": interval(found[key])} for key in found]
    return {"seeds": len(runs), "accuracies": accuracies, "differences": _differences(found)}


def _differences(found: dict[Key, list[float]]) -> list[dict[str, Any]]:
    """Of the ticket of the first data set and of the own one, less all else, on each data set."""
    data = list(dict.fromkeys(key[3] for key in found))
    rows = []
    for shape, density in dict.fromkeys(key[:2] for key in found if key[2] == SHUFFLED):
        for one, other in pairs(data[0]):
            for name in data:
                values = [
                    _values(found, shape, density, ticket(name) if which == OWN else which, name)
                    for which in (one, other)
                ]
                difference = interval([a - b for a, b in zip(*values, strict=True)])
                row = {"shape": shape, "density": density, "features": one, "less": other, "data": name}
                rows.append(row | {"difference": difference})
    return rows


def pairs(first: str) -> list[tuple[str, str]]:
    """What is compared with what."""
    controls = (SHUFFLED, RANDOM, PIXELS)
    return [(ticket(first), OWN), *((one, other) for one in (ticket(first), OWN) for other in controls)]


def _values(found: dict[Key, list[float]], shape: str, density: float, features: str, data: str) -> list[float]:
    """The accuracies of all seeds; pixels have no shape, and random networks density 1."""
    return found["" if features == PIXELS else shape, 1.0 if features in (PIXELS, RANDOM) else density, features, data]


def markdown(found: dict[str, Any]) -> str:
    """The tables of the README: for each shape and density accuracies, then differences."""
    blocks = list(dict.fromkeys((row["shape"], row["density"]) for row in found["differences"]))
    return "\n\n".join(f"{_accuracies(found, *block)}\n\n{_difference_table(found, *block)}" for block in blocks)


def _accuracies(found: dict[str, Any], shape: str, density: float) -> str:
    data = _data(found)
    at = {(row["shape"], row["density"], row["features"], row["data"]): row["accuracy"] for row in found["accuracies"]}
    lines = _head(f"{shape}, density {density:g}: accuracy, %", data)
    for features in (*(ticket(name) for name in data), SHUFFLED, RANDOM, PIXELS, SEARCH):
        cells = [_cell(_values(at, shape, density, features, name), ".1f") for name in data]
        lines.append(_line([features, *cells]))
    return "\n".join(lines)


def _difference_table(found: dict[str, Any], shape: str, density: float) -> str:
    data, at = _data(found), {}
    for row in found["differences"]:
        at[row["shape"], row["density"], row["features"], row["less"], row["data"]] = row["difference"]
    lines = _head(f"{shape}, density {density:g}: difference, points", data)
    for one, other in pairs(data[0]):
        trivial = (one, other) == (ticket(data[0]), OWN)
        cells = [
            "" if trivial and name == data[0] else _cell(at[shape, density, one, other, name], "+.1f") for name in data
        ]
        lines.append(_line([f"{one} - {other}", *cells]))
    return "\n".join(lines)


def _data(found: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["data"] for row in found["accuracies"]))


def _head(title: str, data: list[str]) -> list[str]:
    return [_line([title, *data]), "|---" * (len(data) + 1) + "|"]


def _cell(value: dict[str, float], form: str) -> str:
    mean = f"{value['mean']:{form}}"
    return mean if value["ci95"] is None else f"{mean} ± {value['ci95']:.1f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
