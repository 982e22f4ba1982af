"""Whether the weights come as close as the report says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from tombola.strong import Compared, ComparedGraph, ComparedLayer, EffectiveLayer, TargetLayer

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
    for layer, errors in zip(layers, _layer_errors(compared), strict=True):
        failures += int((errors > layer.tolerance).sum())
        scale = 1.0 if report["absolute"] else report["weight_epsilon"] / layer.tolerance
        largest = max(largest, float(errors.max(initial=0.0)) * scale)
    near = abs(largest - report["max_weight_error"]) <= SLACK * max(largest, report["weight_epsilon"])
    return failures == report["failures"] and near


def _layer_errors(compared: Compared) -> Iterator[np.ndarray]:
    """|effective - target| of all weights and biases, layer by layer."""
    if isinstance(compared, ComparedGraph):
        yield from map(_filter_errors, compared.layers.values())
        return
    inputs = np.arange(compared[0].target.shape[1])
    for one in compared:
        yield _errors(one, inputs)
        inputs = one.owners


def _filter_errors(layer: ComparedLayer) -> np.ndarray:
    bias = (layer.ticket_bias - layer.target_bias).abs()
    return np.concatenate([layer.gap.abs().flatten().numpy(), bias.numpy()])


def _errors(one: EffectiveLayer, inputs: np.ndarray) -> np.ndarray:
    """|effective - target| of a layer's weights and biases, summed over the copies of each input neuron."""
    width = one.target.shape[1]
    found = one.ticket
    if not np.array_equal(inputs, np.arange(width)):
        copying = csr_array((np.ones(inputs.size), (inputs, np.arange(inputs.size))), shape=(width, inputs.size))
        found = (copying @ one.ticket.T).T
    errors = np.abs(found - one.target[one.owners])
    if not one.has_bias:
        return errors
    target, ticket = (np.zeros(1) if bias is None else bias for bias in (one.target_bias, one.ticket_bias))
    bias = np.abs(ticket - (target[one.owners] if one.target_bias is not None else target))
    return np.concatenate([errors, np.broadcast_to(bias, len(errors))[:, None]], axis=1)
