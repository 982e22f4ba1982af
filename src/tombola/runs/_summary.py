"""What several seeds of the same run say together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

PERCENT = 95
ADDS = "kept_multiply_adds"
OF_A_LEVEL = ("density", "kept", "step", "loss", "accuracy", "seconds", "seconds_outside_training", ADDS)


def summarise(lines: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean and interval of the accuracy, for every level of runs that differ in their seed alone.

    Args:
        lines: those of `results.jsonl`.

    Returns:
        Records with what the runs have in common, `density` (mean), `seeds` (how many), `accuracy` (mean) and
        `interval`: half the width of the 95 % interval of Student's t for the mean, None for a single seed. It rests on
        the assumption that accuracies scatter normally over seeds. And `kept_multiply_adds` (mean, for one example),
        where all of them have it.

    Example:
        >>> lines = [{"method": "imp", "seed": seed, "level": 1, "density": 0.5, "accuracy": 0.9 + seed / 100}
        ...          for seed in range(3)]
        >>> [(found["seeds"], round(found["accuracy"], 4), round(found["interval"], 4)) for found in summarise(lines)]
        [(3, 0.91, 0.0248)]
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        common = {name: value for name, value in line.items() if name not in {*OF_A_LEVEL, "cell", "seed"}}
        groups.setdefault(json.dumps(common, sort_keys=True), []).append(line)
    return [_record(json.loads(common), members) for common, members in groups.items()]


def _record(common: dict[str, Any], members: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    accuracies = [float(line["accuracy"]) for line in members]
    adds = [float(line[ADDS]) for line in members if line.get(ADDS) is not None]
    return {
        **common,
        "density": fmean(line["density"] for line in members),
        "seeds": len(members),
        "accuracy": fmean(accuracies),
        "interval": _half_interval(accuracies),
        **({ADDS: fmean(adds)} if len(adds) == len(members) else {}),
    }


def _half_interval(sample: Sequence[float]) -> float | None:
    """Half the width of the interval of Student's t for the mean."""
    if len(sample) < 2:
        return None
    from scipy.stats import t

    quantile = float(t.ppf(0.5 + PERCENT / 200, len(sample) - 1))
    return quantile * stdev(sample) / math.sqrt(len(sample))
