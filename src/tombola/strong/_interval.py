"""Interval propagation of target, ticket and their difference together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from tombola.rounding import UNIT, gamma, upward

from ._difference import Difference, Stage
from ._parts import blocks

Range = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Activity:
    """What intervals say of one hidden layer.

    Attributes:
        low: `(n,)`, a lower bound of each activation of the target.
        high: `(n,)`, an upper bound.
        target_gate: `(n,)`, 1 where the target's unit is active for all inputs, 0 where for none, else 1/2.
        gap_gate: `(m,)`, 1 where a ticket's unit and the one that it copies are always active, 0 where never, else 1/2.
    """

    low: Float64[np.ndarray, " n"]
    high: Float64[np.ndarray, " n"]
    target_gate: Float64[np.ndarray, " n"]
    gap_gate: Float64[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class _State:
    """Ranges of the target's activations x, the ticket's y, and their difference, after some layer."""

    target: Range
    ticket: Range
    gap: Range
    owner: np.ndarray


def interval_bound(problem: Difference) -> tuple[float, list[Activity]]:
    """A bound of the 2-norm of the output's error by interval arithmetic, and the activity of every hidden layer.

    The difference `delta` of two activations lies between 0 and the difference of their pre-activations; it is 0 if
    both are never positive, and that difference itself if both are never negative. The first layer is taken exactly.
    The guarantee is exact, rounding included.
    """
    activities = []
    target, ticket, gap = _entry(problem)
    state = None
    for index, stage in enumerate(problem.stages):
        if state is not None:
            target, ticket, gap = _advance(stage, state)
        if index + 1 < len(problem.stages):
            state, activity = _activate(stage, target, ticket, gap)
            activities.append(activity)
    largest = np.maximum(-gap[0], gap[1])
    return float(np.linalg.norm(largest)) * upward(len(largest)), activities


def _entry(problem: Difference) -> tuple[Range, Range, Range]:
    """Ranges of the first pre-activations of target and ticket, and of their difference."""
    stage, input_set = problem.stages[0], problem.input_set
    size = problem.size

    def of(matrix: np.ndarray) -> Range:
        return input_set.linear_range(matrix[:, :size], matrix[:, size:] if problem.signed else None)

    target, gap = of(stage.target), of(stage.gap)
    room = stage.gap_error * input_set.norm(size) * upward(1)
    return target, of(stage.ticket), _widened(gap, np.where(stage.inexact, room, 0.0))


def _advance(stage: Stage, state: _State) -> tuple[Range, Range, Range]:
    """The same ranges of a later layer."""
    target = _image(stage.target, *state.target)
    through, fresh = _image(stage.ticket, *state.gap), _image(stage.gap, *state.target)
    room = _gap_room(stage, state) + 2 * UNIT * np.abs((*through, *fresh)).sum(axis=0)
    gap = _widened((through[0] + fresh[0], through[1] + fresh[1]), room)
    shifted = _widened((target[0][stage.owner] + gap[0], target[1][stage.owner] + gap[1]), _ulps(target, stage, gap))
    ticket = _image(stage.ticket, *state.ticket)
    return target, (np.maximum(ticket[0], shifted[0]), np.minimum(ticket[1], shifted[1])), gap


def _gap_room(stage: Stage, state: _State) -> np.ndarray:
    """What the rounding errors of F can add to its rows, given the activations; 0 where F is known to be exact."""
    if stage.gap_error == 0:
        return np.zeros(len(stage.gap))
    high = state.target[1]
    terms = _of_moduli(stage.ticket, high[state.owner]) + _of_moduli(stage.target, high)[stage.owner]
    copies = int(np.bincount(state.owner, minlength=1).max())
    return np.where(stage.inexact, gamma(copies) * terms * upward(len(high) + len(state.owner)), 0.0)


def _of_moduli(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """The product of the matrix of moduli with a vector."""
    return np.concatenate([np.abs(rows) @ vector for rows in blocks(matrix)])


def _ulps(target: Range, stage: Stage, gap: Range) -> np.ndarray:
    ends = (target[0][stage.owner], target[1][stage.owner], *gap)
    return 2 * UNIT * np.abs(ends).sum(axis=0)


def _activate(stage: Stage, target: Range, ticket: Range, gap: Range) -> tuple[_State, Activity]:
    """The ranges behind the ReLU, and what the units do."""
    copied = (target[0][stage.owner], target[1][stage.owner])
    always = (copied[0] >= 0) & (ticket[0] >= 0)
    never = (copied[1] <= 0) & (ticket[1] <= 0)
    before, after = _relu(copied), _relu(ticket)
    crossed = _widened((after[0] - before[1], after[1] - before[0]), 2 * UNIT * (after[1] + before[1]))
    hull = np.where(always, gap[0], np.minimum(gap[0], 0)), np.where(always, gap[1], np.maximum(gap[1], 0))
    low, high = np.maximum(hull[0], crossed[0]), np.minimum(hull[1], crossed[1])
    still = never | ~stage.inexact
    delta = np.where(still, 0.0, np.minimum(low, high)), np.where(still, 0.0, np.maximum(low, high))
    gates = np.where(always, 1.0, np.where(never, 0.0, 0.5))
    target_gate = np.where(target[0] >= 0, 1.0, np.where(target[1] <= 0, 0.0, 0.5))
    activation = _relu(target)
    return _State(activation, after, delta, stage.owner), Activity(*activation, target_gate, gates)


def _relu(ends: Range) -> Range:
    return np.maximum(ends[0], 0), np.maximum(ends[1], 0)


def _widened(ends: Range, room: np.ndarray) -> Range:
    return ends[0] - room, ends[1] + room


def _image(matrix: np.ndarray, low: np.ndarray, high: np.ndarray) -> Range:
    """The range of `matrix @ v` for `low <= v <= high`, rounded outward; an end that is a sum of zeros stays 0."""
    ends = np.stack([low, high, np.abs(low), np.abs(high)], axis=1)
    rising = np.concatenate([np.maximum(rows, 0) @ ends for rows in blocks(matrix)])
    falling = np.concatenate([np.maximum(-rows, 0) @ ends for rows in blocks(matrix)])
    room = gamma(2 * matrix.shape[1] + 2)
    bottom = rising[:, 0] - falling[:, 1] - room * (rising[:, 2] + falling[:, 3])
    top = rising[:, 1] - falling[:, 0] + room * (rising[:, 3] + falling[:, 2])
    return bottom, top
