"""Target and ticket side by side on given inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tombola.graph import evaluating
from tombola.realise import realise
from tombola.strong import Compared, ComparedGraph, InputSet
from tombola.ticket import Ticket

BATCH = 1024
ROUNDING = 1e-4  # relative, between a float32 network and float64 effective weights
OUTSIDE = 1e-6  # how far from the set, in any coordinate, an input in float32 still counts as inside


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What both networks do on `(n, ...)` inputs.

    Attributes:
        inside: `(n,)` bool, which inputs lie in the certified set.
        errors: `(n,)` the 2-norm of the output difference, computed in float64 from effective weights.
        faithful: whether both networks, run in float32, give what their weights give in float64, up to rounding.
        classes_target: `(n,)` what the target predicts.
        classes_ticket: `(n,)` what the ticket predicts.
        range: the 2-norm of the ranges of the target's outputs.
    """

    inside: np.ndarray
    errors: np.ndarray
    faithful: bool
    classes_target: Tensor
    classes_ticket: Tensor
    range: float

    @property
    def largest(self) -> float:
        """The largest error inside the certified set; 0 if no input lies there."""
        return float(self.errors[self.inside].max(initial=0.0))


def behaviour(ticket: Ticket, target: nn.Module, compared: Compared, input_set: InputSet, inputs: Tensor) -> Behaviour:
    """Runs a strong ticket and its target on inputs.

    Args:
        ticket: a strong ticket.
        target: its target; run at evaluation, its mode is put back.
        compared: target and effective weights, layer by layer.
        input_set: the certified set.
        inputs: `(n, ...)` float32.
    """
    points = inputs.flatten(1).double().numpy()
    batches = [points[start : start + BATCH] for start in range(0, len(points), BATCH)]
    pairs = [_computed(compared, batch, relu=ticket.stages[-1].relu) for batch in batches]
    exact = [np.concatenate(outputs) for outputs in zip(*pairs, strict=True)]
    run = [_outputs(network, inputs) for network in (target, realise(ticket, form="collapsed"))]
    scale = max(float(np.linalg.norm(outputs, axis=1).max()) for outputs in exact)
    strayed = max(float(np.abs(ours.numpy() - theirs).max()) for ours, theirs in zip(run, exact, strict=True))
    distances = np.concatenate([np.abs(input_set.project(batch) - batch).max(axis=1) for batch in batches])
    errors = np.linalg.norm(exact[1] - exact[0], axis=1)
    first, second = (outputs.argmax(dim=1) for outputs in run)
    spread = float(np.linalg.norm(np.ptp(exact[0], axis=0)))
    return Behaviour(distances <= OUTSIDE, errors, strayed <= ROUNDING * scale, first, second, spread)


def _computed(layers: Compared, points: np.ndarray, *, relu: bool) -> tuple[np.ndarray, np.ndarray]:
    """The outputs of target and ticket in float64."""
    if isinstance(layers, ComparedGraph):
        with torch.no_grad():
            inputs = torch.from_numpy(points)
            return layers.run("target", inputs).numpy(), layers.run("ticket", inputs).numpy()
    if layers[0].signed:
        points = np.concatenate([np.maximum(points, 0), np.maximum(-points, 0)], axis=1)
    target = ticket = points
    for layer in layers:
        target = target @ layer.target.T + (0 if layer.target_bias is None else layer.target_bias)
        ticket = ticket @ layer.ticket.T + (0 if layer.ticket_bias is None else layer.ticket_bias)
        if relu or layer is not layers[-1]:
            target, ticket = np.maximum(target, 0), np.maximum(ticket, 0)
    return target, ticket


def _outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad(), evaluating(network):
        return torch.cat([network(batch).double().flatten(1) for batch in inputs.split(BATCH)])
