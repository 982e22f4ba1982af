"""Target and ticket side by side on given inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from tombola.graph import evaluating
from tombola.realise import realise
from tombola.strong import EffectiveLayer, InputSet, output_errors
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
        faithful: whether both networks, run in float32, differ by the same up to rounding.
        classes_target: `(n,)` what the target predicts.
        classes_ticket: `(n,)` what the ticket predicts.
    """

    inside: np.ndarray
    errors: np.ndarray
    faithful: bool
    classes_target: Tensor
    classes_ticket: Tensor

    @property
    def largest(self) -> float:
        """The largest error inside the certified set; 0 if no input lies there."""
        return float(self.errors[self.inside].max(initial=0.0))


def behaviour(
    ticket: Ticket, target: nn.Module, compared: list[EffectiveLayer], input_set: InputSet, inputs: Tensor
) -> Behaviour:
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
    errors = np.concatenate([output_errors(compared, batch) for batch in batches])
    distances = np.concatenate([np.abs(input_set.project(batch) - batch).max(axis=1) for batch in batches])
    ours, theirs = _outputs(realise(ticket, form="collapsed"), inputs), _outputs(target, inputs)
    gaps = (ours - theirs).norm(dim=1).numpy()
    scale = float(theirs.norm(dim=1).max())
    faithful = bool((np.abs(gaps - errors) <= ROUNDING * max(scale, 1e-30)).all())
    return Behaviour(distances <= OUTSIDE, errors, faithful, theirs.argmax(dim=1), ours.argmax(dim=1))


def _outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad(), evaluating(network):
        return torch.cat([network(batch).double() for batch in inputs.split(BATCH)])
