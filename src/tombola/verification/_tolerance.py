"""Whether the weights come as close as the report says."""

from __future__ import annotations

from typing import Any

from tombola.strong import Compared, TargetLayer, weight_errors

SLACK = 1e-6  # relative: the same error, summed in another order


def tolerance_holds(record: dict[str, Any], compared: Compared, layers: list[TargetLayer]) -> bool:
    """Whether exactly the reported number of weights misses the tolerance, and the largest error is the reported one.

    Args:
        record: of the ticket.
        compared: target and effective weights, layer by layer.
        layers: the target with its tolerances.
    """
    report, options = record["report"], record["options"]["tolerance"]
    if any(report[name] != options[name] for name in ("weight_epsilon", "absolute")):
        return False
    failures, largest = 0, 0.0
    for layer, errors in zip(layers, weight_errors(compared), strict=True):
        failures += int((errors > layer.tolerance).sum())
        scale = 1.0 if report["absolute"] else report["weight_epsilon"] / layer.tolerance
        largest = max(largest, float(errors.max(initial=0.0)) * scale)
    near = abs(largest - report["max_weight_error"]) <= SLACK * max(largest, report["weight_epsilon"])
    return failures == report["failures"] and near
