"""How far each layer of a ticket can be from its target's, on what the target's layer really takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.graph import LAYER, affine, signs
from tombola.rounding import upward

from ._compared_graph import ComparedGraph, ComparedLayer
from ._convolution_norm import operator_norm_bound

STEPS = 30  # of the search for a bad input
BATCH = 64


@dataclass(frozen=True)
class LayerCertificate:
    """One layer's own error, over all inputs `z` with `||z|| <= radius`, and `z >= 0` where the target's are.

    Attributes:
        layer: its name.
        radius: the largest 2-norm of what the target's layer took.
        bound: proved; of the 2-norm of the ticket's pre-activations minus the target's.
        attack: the largest such error that a search found in the set.
        on_inputs: the largest on what the target's layer took.
        signal: the largest 2-norm of the target's pre-activations there.
    """

    layer: str
    radius: float
    bound: float
    attack: float
    on_inputs: float
    signal: float


def layer_certificates(graph: ComparedGraph, inputs: Tensor, *, generator: torch.Generator) -> list[LayerCertificate]:
    """A certificate for every layer by itself, on the scale of the target's own activations.

    Where the bound of a deep network grows beyond its output's range, these still say how faithful each layer is.

    Args:
        graph: target and ticket.
        inputs: `(n, ...)` on which the target is run.
        generator: draws the starts of the searches.

    Returns:
        One record per layer, in order. The bounds are exact (proved); the attacks are searches.

    Example:
        >>> from torch import nn
        >>> from tombola import construct
        >>> from tombola.effective import effective_maps
        >>> from tombola.graph import read_graph
        >>> from tombola.strong import Ball, Tolerance, compare, targets
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
        >>> graph, ticket = read_graph(net, torch.zeros(1, 4)), construct(net, torch.zeros(1, 4))
        >>> compared = compare(ticket, graph, targets(graph, Tolerance(), Ball()), effective_maps(ticket))
        >>> rows = layer_certificates(compared, torch.randn(9, 4), generator=torch.Generator().manual_seed(0))
        >>> all(row.on_inputs <= row.attack <= row.bound for row in rows)
        True
    """
    with torch.no_grad():
        feeds = [graph.feeds(part) for part in inputs.split(BATCH)]
    relu = {name for name, layer in graph.layers.items() if layer.relu}
    negative = signs(graph.nodes, relu, input_signed=bool((inputs < 0).any()))
    sources = {node.name: node.inputs[0] for node in graph.nodes if node.op == LAYER}
    return [
        _certificate(name, layer, torch.cat([part[name] for part in feeds]), negative[sources[name]], generator)
        for name, layer in graph.layers.items()
    ]


def _certificate(
    name: str, layer: ComparedLayer, taken: Tensor, negative: bool, generator: torch.Generator
) -> LayerCertificate:
    norms = taken.flatten(1).norm(dim=1)
    radius = float(norms.max())
    with torch.no_grad():
        own = torch.cat([_error(layer, part).flatten(1).norm(dim=1) for part in taken.split(BATCH)])
        made = torch.cat([layer.apply("target", part).flatten(1).norm(dim=1) for part in taken.split(BATCH)])
        pixels = layer.apply("target", taken[:1])[0, 0].numel() ** 0.5
    bias = float((layer.bias_gap).norm()) * pixels
    norm = operator_norm_bound(layer.gap, layer.window, taken.shape[1:])
    bound = (norm * radius + bias) * upward(4)
    random = torch.randn((2, *taken.shape[1:]), dtype=torch.float64, generator=generator)
    starts = torch.cat([taken[own.argmax()][None], random])
    worst = _climb(layer, starts, radius, negative=negative)
    return LayerCertificate(name, radius, bound, max(worst, float(own.max())), float(own.max()), float(made.max()))


def _error(layer: ComparedLayer, x: Tensor) -> Tensor:
    """Ticket minus target, before any ReLU, without the rounding of either."""
    parts = torch.cat([x.relu(), (-x).relu()], dim=1) if layer.signed else x
    return affine(parts, layer.gap, layer.bias_gap, layer.window)


def _climb(layer: ComparedLayer, starts: Tensor, radius: float, *, negative: bool) -> float:
    """The largest error that power iteration finds on the set, from all starts side by side."""
    best, points = 0.0, starts
    with torch.inference_mode(False), torch.enable_grad():
        for _ in range(STEPS):
            points = points if negative else points.clamp(min=0)
            sizes = points.flatten(1).norm(dim=1).clamp(min=1e-300).reshape(-1, *[1] * (points.ndim - 1))
            points = (points * (radius / sizes)).detach().requires_grad_()
            errors = _error(layer, points).flatten(1).norm(dim=1)
            best = max(best, float(errors.detach().max()))
            (points,) = torch.autograd.grad(errors.sum(), points)
    return best
