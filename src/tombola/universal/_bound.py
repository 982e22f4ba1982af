"""Proved bounds on the error of features: over all inputs in the box, not over a sample of them.

Each block is compared with its function cell by cell. In a cell the block is a straight line, so the difference is as
large as at one of the ends, or larger by at most the function's curvature times the width squared over eight. What
float64 adds is added. Errors then go through the network: an affine map adds them up, a function passes on its
Lipschitz constant times as much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tombola.rounding import upward

from ._function import Function
from ._piecewise import PiecewiseLinear
from ._step import Block, Linear, Realised, RealisedBlock, RealisedLinear, Step

CELLS = 64  # of each piece


def block_error(line: PiecewiseLinear, function: Function) -> float:
    """A bound on `|line - function|` over the interval of the line.

    Guarantee: exact, if the function's curvature and rounding are what they are said to be; infinite where no
    curvature is known.

    Args:
        line: what a block has become.
        function: what it stands for, at least on the same interval.

    Example:
        >>> from tombola.universal import Function
        >>> square = Function("x^2", np.square, 0.0, 1.0, lambda low, high: np.full_like(low, 2.0))
        >>> line = PiecewiseLinear(np.array([1.0, 1.0]), np.array([0.0, -0.5]), np.array([0.5, 1.0]), 0.0, 0.0, 1.0)
        >>> round(block_error(line, square), 4)  # the two chords of a parabola
        0.0625
    """
    if function.curvature is None:
        return float("inf")
    inside = [point for point in function.breaks if line.low < point < line.high]
    pieces = np.unique(np.concatenate([line.breakpoints, inside]))
    steps = np.arange(CELLS) / CELLS
    points = np.append((pieces[:-1, None] + np.diff(pieces)[:, None] * steps).ravel(), pieces[-1])
    gaps = np.abs(line(points) - function.value(points))
    bends = function.curvature(points[:-1], points[1:]) * np.square(np.diff(points)) / 8
    worst = float((np.maximum(gaps[:-1], gaps[1:]) + bends).max())
    return (worst + line.rounding() + function.rounding) * upward(8)


def feature_errors(dimension: int, steps: Sequence[Step], realised: Sequence[Realised]) -> np.ndarray:
    """A bound `(features,)` on the error of every feature, over all inputs in `[0, 1]^d`.

    Guarantee: exact, where curvatures are known; infinite elsewhere.

    Args:
        dimension: how many inputs.
        steps: what is wanted: blocks with one channel, one affine map, blocks with one channel; or one block.
        realised: what each step has become, with intervals that hold all that comes in.
    """
    errors, reach = np.zeros(dimension), 1.0
    for step, made in zip(steps, realised, strict=True):
        if isinstance(step, Linear):
            assert isinstance(made, RealisedLinear)
            errors = _through_linear(step, made, errors, reach)
        else:
            assert isinstance(made, RealisedBlock)
            errors = _through_block(step, made, errors)
            reach = max(largest(line) for line in made.functions)
    return errors


def _through_linear(step: Linear, made: RealisedLinear, errors: np.ndarray, reach: float) -> np.ndarray:
    """Errors behind an affine map: of its weights, of its biases, and those that it passes on."""
    wanted = np.zeros(len(step.weight)) if step.bias is None else step.bias
    gaps = np.abs(made.weight - step.weight).sum(axis=1) * reach + np.abs(made.bias - wanted)
    return (gaps + np.abs(step.weight) @ errors) * upward(step.weight.shape[1] + 4)


def _through_block(step: Block, made: RealisedBlock, errors: np.ndarray) -> np.ndarray:
    """Errors behind a block, channel by channel: its own, and those that come in times a Lipschitz constant."""
    pairs = zip(made.functions, step.functions, strict=True)
    passed = [errors * function.lipschitz if errors.any() else errors for function in step.functions]
    own = [block_error(line, function) for line, function in pairs]
    return np.concatenate([one + more for one, more in zip(own, passed, strict=True)]) * upward(4)


def largest(line: PiecewiseLinear) -> float:
    """A bound on the values of a piecewise-linear function over its interval."""
    return float(line(line.breakpoints).max()) + line.rounding()
