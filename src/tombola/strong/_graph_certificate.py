"""Certificate and attack for targets that are more than a chain of dense layers."""

from __future__ import annotations

import numpy as np
import torch

from tombola.graph import signs

from ._attack import AttackResult, ascend
from ._certificate import Certificate
from ._compared_graph import ComparedGraph
from ._graph_interval import graph_interval_bound
from ._graph_spectral import graph_spectral_bound
from ._input_sets import InputSet

POOL = 4  # random inputs for each start of an attack


def graph_certificate(graph: ComparedGraph, input_set: InputSet) -> Certificate:
    """A proved upper bound of the 2-norm of ticket's output minus target's output, the least of two.

    As `certificate`, for graphs: the slope bound, which follows all ReLUs together, is made for chains of dense layers
    only. On deep networks the bound grows with the product of the layers' norms and can exceed the output's own range;
    it is then true and says nothing. The bounds per layer of `layer_certificates` stay useful there.

    Raises:
        ValueError: if a layer takes one sign only and the set holds negative inputs.
    """
    _check_signs(graph, input_set)
    interval, reaches = graph_interval_bound(graph, input_set)
    spectral = graph_spectral_bound(graph, input_set, reaches)
    contributions = tuple(float(one) for one in spectral.gaps)
    total = float(np.sum(spectral.gaps)) * (1 + 1e-15 * len(contributions))
    amplification = tuple(
        float(one.positive.abs().flatten(1).sum(1).max() / one.target.abs().flatten(1).sum(1).max().clamp(min=1e-300))
        for one in graph.layers.values()
    )
    bound = (min(total, interval) + spectral.residual) * (1 + 1e-15)
    return Certificate(
        input_set, bound, total, None, interval, contributions, amplification, residual=spectral.residual
    )


def _check_signs(graph: ComparedGraph, input_set: InputSet) -> None:
    relu = {name for name, layer in graph.layers.items() if layer.relu}
    negative = signs(graph.nodes, relu, input_signed=not input_set.is_nonnegative())
    for node in graph.nodes:
        layer = graph.layers.get(node.name)
        if layer is None or layer.signed or (layer.wide is not None and layer.wide.copied):
            continue
        if negative[node.inputs[0]]:
            raise ValueError(
                f"layer {node.name!r} takes one sign only, and its inputs can be negative; "
                "certify the ticket over a non-negative set"
            )


def graph_attack(
    graph: ComparedGraph, input_set: InputSet, *, restarts: int = 8, steps: int, generator: torch.Generator
) -> AttackResult:
    """The largest error that gradient ascent finds in a set; as `attack`, for graphs, from random inputs."""
    size = int(np.prod(graph.input_shape))
    draws = torch.randn(POOL * restarts, size, dtype=torch.float64, generator=generator).numpy()
    sample = input_set.sample(POOL * restarts, size, generator=generator)
    pool = np.concatenate([input_set.farthest(draws), sample])
    found = np.concatenate([graph.errors(part) for part in np.array_split(pool, POOL)])
    starts = pool[np.argsort(-found)[:restarts]]

    def errors_and_gradients(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with torch.inference_mode(False), torch.enable_grad():
            inputs = torch.from_numpy(points).requires_grad_()
            errors = (graph.run("ticket", inputs) - graph.run("target", inputs)).norm(dim=1)
            (gradients,) = torch.autograd.grad(errors.sum(), inputs)
        return errors.detach().numpy(), gradients.numpy()

    best = ascend(starts, input_set, errors_and_gradients, steps=steps)
    errors = graph.errors(best)
    winner = int(errors.argmax())
    return AttackResult(float(errors[winner]), best[winner])
