"""A target network in, a certified strong lottery ticket out."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from tombola import __version__
from tombola.activations import RELU
from tombola.effective import effective_maps, maps_sha256
from tombola.engines import Workers
from tombola.errors import ToleranceError
from tombola.graph import Graph, read_graph
from tombola.random_source import Source
from tombola.subset_sum import counting_bound, sparsest
from tombola.ticket import Ticket

from ._adaptive import Solver
from ._ball import Ball
from ._compared_graph import ComparedGraph
from ._comparison import Compared, certify, compare, weight_errors
from ._input_sets import InputSet
from ._layer import LISTED, BuiltLayer, Parent, Recipe, TargetLayer
from ._targets import described, targets
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
        model: the target at float32; `graph.SUPPORTED` lists what it may be made of. `one_extra` takes no additions of
            the network's own input.
        example: one batch of inputs; fixes the input shape.
        seed: of the random parent network.
        construction: `two_layer` (depth 2L) or `one_extra` (depth L + 1).
        solver: `sparsest` (fewest edges), `nearest` (smallest error) or `lightest` (smallest sum of magnitudes).
        tolerance: how close to come; default: every weight within 1 % of the largest of its layer.
        inputs: the set over which the output error is certified; default: the unit ball. If it holds no negative
            inputs, the first layer is built for positive inputs only, at half the size.
        workers: threads, progress, engine and where finished layers are kept; the ticket does not depend on it.

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
    graph = read_graph(model, example)
    source = Source(seed)
    recipe = Recipe(
        graph,
        source,
        solver,
        workers.threads,
        workers.progress,
        engine=workers.engine,
        store=workers.store,
        inputs=inputs,
    )
    for attempt in range(ATTEMPTS):
        layers = targets(graph, tolerance, inputs)
        built = construction(layers, recipe)
        ticket, compared = _certified(_assembled(built, source), graph, layers, inputs)
        proved = ticket.record["certificate"]["bound"]
        if tolerance.epsilon is None or proved <= tolerance.epsilon or attempt == ATTEMPTS - 1:
            break
        tolerance = replace(tolerance, weight_epsilon=tolerance.weight_epsilon * 0.8 * tolerance.epsilon / proved)
    options = {"construction": construction.__name__, "solver": _name(solver), "tolerance": asdict(tolerance)}
    reached = _remeasured(built, layers, compared)
    summary = _report(reached, layers, tolerance) | {"seconds": time.perf_counter() - started}
    return replace(
        ticket,
        record={
            **ticket.record,
            "target": described(graph),
            "options": options,
            "report": summary,
            "version": __version__,
        },
    )


def on_parent(construction: Construction, parent: Parent) -> Construction:
    """A construction on another kind of random network than ReLU units with uniform weights.

    Example:
        >>> import torch
        >>> from tombola.activations import activation
        >>> target, tanh = nn.Linear(4, 2), Parent(activation("tanh"))
        >>> ticket = construct(target, torch.zeros(1, 4), construction=on_parent(two_layer, tanh))
        >>> 0 < ticket.certificate.residual < ticket.certificate.bound
        True
    """

    def on_it(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
        return construction(layers, replace(recipe, parent=parent))

    on_it.__name__ = construction.__name__
    return on_it


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


def _certified(ticket: Ticket, graph: Graph, layers: list[TargetLayer], inputs: InputSet) -> tuple[Ticket, Compared]:
    """The ticket with its hashes and its certificate, both from the effective weights that the masks really have."""
    maps = list(effective_maps(ticket))
    compared = compare(ticket, graph, layers, maps)
    hashes = {"fingerprints": ticket.fingerprints(), "effective_sha256": maps_sha256(maps)}
    record = {**ticket.record, **hashes, "certificate": certify(compared, inputs).to_json()}
    return replace(ticket, record=record), compared


def _remeasured(built: list[BuiltLayer], layers: list[TargetLayer], compared: Compared) -> list[BuiltLayer]:
    """The layers with the errors of their effective weights, where hidden units or constants are not those of ReLU."""
    plain = all(stage.activation == RELU for layer in built for stage in layer.stages)
    copied = any(stage.copies is not None for layer in built for stage in layer.stages)
    if plain and not (copied and isinstance(compared, ComparedGraph)):
        return built
    return [
        replace(one, errors=errors.astype(np.float32).ravel(), failures=int((errors > layer.tolerance).sum()))
        for one, layer, errors in zip(built, layers, weight_errors(compared), strict=True)
    ]


def _report(built: Sequence[BuiltLayer], layers: Sequence[TargetLayer], tolerance: Tolerance) -> dict[str, Any]:
    """What the construction reached, as the JSON data that the command line prints."""
    scales = [1.0 if tolerance.absolute else tolerance.weight_epsilon / layer.tolerance for layer in layers]
    errors = np.concatenate([layer.errors * np.float32(scale) for layer, scale in zip(built, scales, strict=True)])
    rows = [_row(one, layer, scale, tolerance) for one, layer, scale in zip(built, layers, scales, strict=True)]
    weights = sum(row["target_parameters"] for row in rows)
    edges, above = sum(layer.edges for layer in built), sum(layer.targets - layer.zeroed for layer in built)
    return {
        "weight_epsilon": tolerance.weight_epsilon,
        "absolute": tolerance.absolute,
        "target_parameters": weights,
        "counting_bound": sum(row["counting_bound"] for row in rows),
        "kept_per_weight": edges / max(1, sum(layer.targets for layer in built)),
        "kept_per_nonzero_weight": edges / max(1, above),
        "zeroed_fraction": sum(row["zeroed"] for row in rows) / max(1, weights),
        "failures": sum(layer.failures for layer in built),
        "misses": [asdict(miss) for layer in built for miss in layer.misses][:LISTED],
        "max_weight_error": float(errors.max(initial=0.0)),
        "weight_error_p9999": float(np.quantile(errors, 0.9999)) if errors.size else 0.0,
        "peak_rss_bytes": peak_rss_bytes(),
        "per_layer": rows,
    }


def _row(built: BuiltLayer, layer: TargetLayer, scale: float, tolerance: Tolerance) -> dict[str, Any]:
    """What was reached in one layer."""
    parameters = layer.parameters
    count = parameters.size - layer.absent
    epsilon = layer.tolerance if tolerance.absolute else tolerance.weight_epsilon
    return {
        "layer": layer.name,
        "target_parameters": count,
        "zeroed": int((np.abs(parameters) <= layer.tolerance).sum()) - layer.absent,
        "tolerance": layer.tolerance,
        "counting_bound": counting_bound(count, epsilon),
        "source_parameters": sum(math.prod(tensor.mask.shape) for tensor in built.tensors.values()),
        "units": built.tensors[built.stages[0].weight].mask.shape[0],
        "kept": sum(tensor.mask.kept for tensor in built.tensors.values()),
        "failures": built.failures,
        "max_weight_error": float(built.errors.max(initial=0.0)) * scale,
    }


def peak_rss_bytes() -> int:
    """The most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _name(solver: Solver) -> str:
    return getattr(solver, "__name__", type(solver).__name__)
