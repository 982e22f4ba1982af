"""A target network in, a certified strong lottery ticket out."""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from tombola import __version__
from tombola.effective import effective_maps, maps_sha256
from tombola.engines import Workers
from tombola.errors import ToleranceError
from tombola.graph import DenseLayer, dense_layers
from tombola.random_source import Source
from tombola.subset_sum import counting_bound, sparsest
from tombola.ticket import Ticket

from ._adaptive import Solver
from ._ball import Ball
from ._certificate import certificate
from ._comparison import effective_layers
from ._input_sets import InputSet
from ._layer import LISTED, BuiltLayer, Recipe, TargetLayer
from ._tolerance import Tolerance
from ._two_layer import two_layer

Construction = Callable[[list[TargetLayer], Recipe], list[BuiltLayer]]
ATTEMPTS = 6  # at a weight tolerance that gives the certified error


def construct(
    model: nn.Module,
    example: Tensor,
    *,
    seed: int = 0,
    construction: Construction = two_layer,
    solver: Solver = sparsest,
    tolerance: Tolerance | None = None,
    inputs: InputSet | None = None,
    workers: Workers | None = None,
) -> Ticket:
    """A strong lottery ticket: a mask on a random network that computes what a target network computes.

    No weight is trained and nothing is drawn again: the source is fixed by its seed, only edges are chosen.

    Args:
        model: the target: a chain of Linear, ReLU, Flatten, Dropout and Identity at float32.
        example: one batch of inputs; fixes the input shape.
        seed: of the random parent network.
        construction: `two_layer` (depth 2L) or `one_extra` (depth L + 1).
        solver: `sparsest` (fewest edges), `nearest` (smallest error) or `lightest` (smallest sum of magnitudes).
        tolerance: how close to come; default: every weight within 1 % of the largest of its layer.
        inputs: the set over which the output error is certified; default: the unit ball. If it holds no negative
            inputs, the first layer is built for positive inputs only, at half the size.
        workers: threads and progress; the ticket does not depend on it.

    Returns:
        The ticket. Its report says how many weights miss the tolerance (normally none), its certificate bounds the
        output error (exact: proved, rounding included).

    Raises:
        UnsupportedModuleError: if the model holds an operation that no construction takes.
        ValueError: for NaN or infinite weights, or a tolerance out of range.

    Example:
        >>> import torch
        >>> target = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> ticket = construct(target, torch.zeros(1, 4), seed=7)
        >>> ticket.record["report"]["failures"]
        0
    """
    started = time.perf_counter()
    tolerance, inputs, workers = tolerance or Tolerance(), inputs or Ball(1.0), workers or Workers()
    dense = dense_layers(model, example)
    source = Source(seed)
    recipe = Recipe(source, solver, workers.threads, workers.progress)
    for attempt in range(ATTEMPTS):
        layers = targets(dense, tolerance, inputs)
        built = construction(layers, recipe)
        ticket = _certified(_assembled(built, source), layers, inputs)
        proved = ticket.record["certificate"]["bound"]
        if tolerance.epsilon is None or proved <= tolerance.epsilon or attempt == ATTEMPTS - 1:
            break
        tolerance = replace(tolerance, weight_epsilon=tolerance.weight_epsilon * 0.8 * tolerance.epsilon / proved)
    options = {"construction": construction.__name__, "solver": _name(solver), "tolerance": asdict(tolerance)}
    summary = _report(built, layers, tolerance) | {"seconds": time.perf_counter() - started}
    description = {"sha256": target_sha256(dense), "layers": [_described(layer) for layer in dense]}
    return replace(
        ticket,
        record={**ticket.record, "target": description, "options": options, "report": summary, "version": __version__},
    )


def targets(dense: Sequence[DenseLayer], tolerance: Tolerance, inputs: InputSet) -> list[TargetLayer]:
    """The layers to be built, each with its tolerance and the signs that its inputs can have."""
    return [
        TargetLayer(
            layer.name,
            layer.weight.numpy(),
            None if layer.bias is None else layer.bias.numpy(),
            layer.relu,
            signed=number == 0 and not inputs.is_nonnegative(),
            tolerance=tolerance.of(layer),
        )
        for number, layer in enumerate(dense)
    ]


def target_sha256(dense: Sequence[DenseLayer]) -> str:
    """SHA-256 over the target's layers: names, shapes and float32 values."""
    digest = hashlib.sha256()
    for layer in dense:
        for part in (layer.weight, layer.bias):
            digest.update(f"{layer.name} {None if part is None else tuple(part.shape)} {layer.relu}\n".encode())
            if part is not None:
                digest.update(np.ascontiguousarray(part.numpy(), "<f4").data)
    return digest.hexdigest()


def require_met(ticket: Ticket) -> None:
    """Raises ToleranceError if a weight of the ticket misses its tolerance, or the certificate the wanted one."""
    report, wanted = ticket.record["report"], ticket.record["options"]["tolerance"]["epsilon"]
    if report["failures"]:
        raise ToleranceError(report["failures"], report["max_weight_error"], report["weight_epsilon"])
    if wanted is not None and ticket.record["certificate"]["bound"] > wanted:
        raise ToleranceError(1, ticket.record["certificate"]["bound"], wanted)


def _assembled(built: Sequence[BuiltLayer], source: Source) -> Ticket:
    tensors = {name: tensor for layer in built for name, tensor in layer.tensors.items()}
    stages = tuple(stage for layer in built for stage in layer.stages)
    signed = {stage.layer: layer.signed for layer in built for stage in layer.stages}
    return Ticket("strong", source, tensors, stages, record={"signed_layers": signed})


def _certified(ticket: Ticket, layers: list[TargetLayer], inputs: InputSet) -> Ticket:
    """The ticket with its hashes and its certificate, both from the effective weights that the masks really have."""
    maps = list(effective_maps(ticket))
    proof = certificate(effective_layers(ticket, layers, maps), inputs)
    hashes = {"fingerprints": ticket.fingerprints(), "effective_sha256": maps_sha256(maps)}
    return replace(ticket, record={**ticket.record, **hashes, "certificate": proof.to_json()})


def _report(built: Sequence[BuiltLayer], layers: Sequence[TargetLayer], tolerance: Tolerance) -> dict[str, Any]:
    """What the construction reached, as the JSON data that the command line prints."""
    scales = [1.0 if tolerance.absolute else tolerance.weight_epsilon / layer.tolerance for layer in layers]
    errors = np.concatenate([layer.errors * np.float32(scale) for layer, scale in zip(built, scales, strict=True)])
    weights = sum(layer.augmented.size for layer in layers)
    zeroed = sum(int((np.abs(layer.augmented) <= layer.tolerance).sum()) for layer in layers)
    edges, above = sum(layer.edges for layer in built), sum(layer.targets - layer.zeroed for layer in built)
    return {
        "weight_epsilon": tolerance.weight_epsilon,
        "absolute": tolerance.absolute,
        "target_parameters": weights,
        "counting_bound": sum(_bits(layer, tolerance) for layer in layers),
        "kept_per_weight": edges / max(1, sum(layer.targets for layer in built)),
        "kept_per_nonzero_weight": edges / max(1, above),
        "zeroed_fraction": zeroed / max(1, weights),
        "failures": sum(layer.failures for layer in built),
        "misses": [asdict(miss) for layer in built for miss in layer.misses][:LISTED],
        "max_weight_error": float(errors.max(initial=0.0)),
        "weight_error_p9999": float(np.quantile(errors, 0.9999)) if errors.size else 0.0,
        "peak_rss_bytes": peak_rss_bytes(),
    }


def _bits(layer: TargetLayer, tolerance: Tolerance) -> float:
    return counting_bound(layer.augmented.size, layer.tolerance if tolerance.absolute else tolerance.weight_epsilon)


def peak_rss_bytes() -> int:
    """The most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _described(layer: DenseLayer) -> dict[str, Any]:
    return {"name": layer.name, "shape": list(layer.weight.shape), "bias": layer.bias is not None, "relu": layer.relu}


def _name(solver: Solver) -> str:
    return getattr(solver, "__name__", type(solver).__name__)
