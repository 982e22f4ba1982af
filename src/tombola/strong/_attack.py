"""The search for the input at which a ticket differs most from its target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ._effective import EffectiveLayer, checked_layers, input_size, output_errors
from ._input_sets import InputSet

FIRST_STEPS = 0.05, 2.0  # of the restarts, spread over this range, the worst start least; in radii of the set
LAST_STEP = 1e-3
POOL = 10  # inputs that are tried for each start that is used
DIRECTIONS = 2  # of each matrix
SUBSPACE_STEPS = 8

Climb = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True, eq=False)
class AttackResult:
    """The worst input that was found.

    Attributes:
        error: the 2-norm of ticket's output minus target's output there, computed in float64.
        point: `(n,)`, the input, inside the set.
    """

    error: float
    point: Float64[np.ndarray, " n"]


def attack(
    layers: Sequence[EffectiveLayer],
    input_set: InputSet,
    *,
    restarts: int = 20,
    steps: int = 200,
    generator: torch.Generator,
) -> AttackResult:
    """The largest error that gradient ascent finds in a set: a lower bound of what a certificate bounds from above.

    Heuristic, but what it returns is an input and the error there. All restarts climb together in float64, from the
    worst of many random inputs and of the directions in which the difference is largest where all units are active,
    and from some random inputs. A step follows the normalised gradient and then returns to the set; its length falls
    to nearly 0, from another start in each restart.

    Args:
        layers: target and effective weights, layer by layer.
        input_set: the inputs that are allowed.
        restarts: how many starts climb side by side.
        steps: of each.
        generator: draws the random starts.

    Raises:
        ValueError: if the layers do not fit together or the set has another number of coordinates.

    Example:
        >>> from tombola.strong import Ball
        >>> layers = [EffectiveLayer(np.eye(2), np.diag([1.5, 1.0]))]
        >>> found = attack(layers, Ball(), generator=torch.Generator().manual_seed(0))
        >>> round(found.error, 6), np.abs(found.point).round(3).tolist()
        (0.5, [1.0, 0.0])
    """
    layers = checked_layers(layers)
    size = input_size(layers)
    input_set.bounds(size)
    points = _starts(layers, input_set, max(restarts, 1), generator)
    with torch.inference_mode(False):
        networks = _Networks(layers)
    best = ascend(points, input_set, networks.errors_and_gradients, steps=steps)
    errors = output_errors(layers, best)
    winner = int(errors.argmax())
    return AttackResult(float(errors[winner]), best[winner])


def ascend(points: np.ndarray, input_set: InputSet, climb: Climb, *, steps: int) -> np.ndarray:
    """The worst input `(count, n)` on the way of each start `(count, n)`, all of which climb side by side.

    Args:
        points: where to start, inside the set.
        input_set: where to stay.
        climb: errors `(count,)` and their gradients `(count, n)` at points.
        steps: of each.
    """
    record, best = np.full(len(points), -1.0), points.copy()
    generators = input_set.generators(points.shape[1])
    lengths = np.geomspace(*FIRST_STEPS, len(points))[:, None] * generators.radius(generators.moving)
    for step in range(steps + 1):
        errors, gradients = climb(points)
        better = errors > record
        best[better], record[better] = points[better], errors[better]
        norms = np.maximum(np.linalg.norm(gradients, axis=1, keepdims=True), 1e-300)
        points = input_set.project(points + ((1 - step / (steps + 1)) ** 2 + LAST_STEP) * lengths * (gradients / norms))
    return best


class _Networks:
    """Both networks as torch tensors."""

    def __init__(self, layers: Sequence[EffectiveLayer]) -> None:
        self.signed = layers[0].signed
        self.pairs = [
            tuple((torch.from_numpy(w), None if b is None else torch.from_numpy(b)) for w, b in pair)
            for pair in (((one.target, one.target_bias), (one.ticket, one.ticket_bias)) for one in layers)
        ]

    def errors_and_gradients(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The error `(count,)` at each point, and its gradient `(count, n)`."""
        with torch.inference_mode(False), torch.enable_grad():
            inputs = torch.from_numpy(points).requires_grad_()
            start = torch.cat([inputs.relu(), (-inputs).relu()], dim=1) if self.signed else inputs
            errors = (self._output(start, 1) - self._output(start, 0)).norm(dim=1)
            (gradients,) = torch.autograd.grad(errors.sum(), inputs)
        return errors.detach().numpy(), gradients.numpy()

    def _output(self, values: Tensor, which: int) -> Tensor:
        for index, pair in enumerate(self.pairs):
            weight, bias = pair[which]
            values = torch.nn.functional.linear(values.relu() if index else values, weight, bias)
        return values


def _starts(
    layers: Sequence[EffectiveLayer], input_set: InputSet, count: int, generator: torch.Generator
) -> np.ndarray:
    """Half of them the worst of a pool of directed and random inputs, the others random, `(count, n)`."""
    size = input_size(layers)
    random = torch.randn(POOL * count, size, dtype=torch.float64, generator=generator).numpy()
    edge = input_set.farthest(np.concatenate([_directions(layers, generator), random]))
    pool = np.concatenate([edge, input_set.sample(POOL * count, size, generator=generator)])
    worst = pool[np.argsort(-output_errors(layers, pool))[: (count + 1) // 2]]
    return np.concatenate([worst, pool[len(pool) - count // 2 :]])


def _directions(layers: Sequence[EffectiveLayer], generator: torch.Generator) -> np.ndarray:
    """The leading singular directions of the networks' difference with all units active, and of the first gap."""
    size, first = input_size(layers), layers[0]
    target, ticket = np.eye(len(layers[-1].target)), np.eye(len(layers[-1].ticket))
    for layer in reversed(layers):
        target, ticket = target @ layer.target, ticket @ layer.ticket
    matrices = (ticket - target, first.ticket - first.target[first.owners])
    leading = [_leading(matrix[:, :size], generator) for matrix in matrices]
    return np.concatenate([sign * part for part in leading for sign in (1, -1)])


def _leading(matrix: np.ndarray, generator: torch.Generator) -> np.ndarray:
    """Nearly the leading right singular vectors, `(count, n)`, by a few steps of subspace iteration."""
    count = min(DIRECTIONS, *matrix.shape)
    rows = torch.randn(count, matrix.shape[1], dtype=torch.float64, generator=generator).numpy()
    for _ in range(SUBSPACE_STEPS):
        rows = np.linalg.qr((rows @ matrix.T @ matrix).T)[0].T
    return rows
