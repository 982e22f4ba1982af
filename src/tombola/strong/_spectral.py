"""The bound that multiplies spectral norms, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tombola.rounding import gamma, upward

from ._difference import Difference
from ._generators import Generators
from ._interval import Activity
from ._norms import frobenius_bound, spectral_norm_bound
from ._parts import selected


@dataclass(frozen=True)
class SpectralBound:
    """The outcome of the recursion.

    Attributes:
        bound: of the 2-norm of the output's error.
        contributions: what each layer's own gap adds to the bound; they sum to it.
        reach: for every hidden layer, and before them the input, bounds of the 2-norms of the difference (ticket minus
            copied target) and of the target's activations.
    """

    bound: float
    contributions: tuple[float, ...]
    reach: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class _Signal:
    """The target's activations in two parts: those that move, and those that every input sets to the same value."""

    moving: np.ndarray
    norm: float
    constant: np.ndarray
    blur: float

    def image_norm(self, matrix: np.ndarray) -> float:
        """A bound of the 2-norm of a matrix times the activations."""
        blur = self.blur + gamma(matrix.shape[1]) * float(np.linalg.norm(self.constant))
        fixed = float(np.linalg.norm(matrix @ self.constant)) * upward(len(matrix)) + blur * frobenius_bound(matrix)
        return (spectral_norm_bound(selected(matrix, columns=self.moving)) * self.norm + fixed) * upward(4)

    def total(self) -> float:
        """A bound of the 2-norm of all activations."""
        return float(np.hypot(self.norm, np.linalg.norm(self.constant) + self.blur)) * upward(len(self.constant))


def spectral_bound(problem: Difference, activities: Sequence[Activity]) -> SpectralBound:
    r"""The bound of the output's error from the spectral norms of all layers.

    With \(\Delta_0 = 0\) and \(X_l\) a bound of the target's activations,

    \[\Delta_l \le \lVert A_l \rVert \Delta_{l-1} + \lVert F_l \rVert X_{l-1}, \qquad
      X_l \le \lVert W_l \rVert X_{l-1};\]

    constants are taken apart from the activations that move, and \(X_l\) is no more than intervals allow. The
    guarantee is exact, rounding included.
    """
    contributions: list[float] = []
    reach = [(0.0, problem.input_set.norm(problem.size))]
    signal, inexact = None, np.zeros(0, bool)
    for index, stage in enumerate(problem.stages):
        if signal is None:
            gap = _entry_norm(problem.entry_gap, problem.generators)
        else:
            amplification = spectral_norm_bound(selected(stage.ticket, stage.inexact, inexact))
            contributions = [part * amplification * upward(1) for part in contributions]
            gap = signal.image_norm(selected(stage.gap, stage.inexact))
        contributions.append((gap + stage.gap_error * reach[-1][1]) * upward(2) if stage.inexact.any() else 0.0)
        inexact = stage.inexact
        if index + 1 < len(problem.stages):
            signal = _next_signal(problem, index, activities[index], signal)
            reach.append((sum(contributions) * upward(index + 1), signal.total()))
    return SpectralBound(sum(contributions) * upward(len(contributions)), tuple(contributions), tuple(reach))


def _entry_norm(matrix: np.ndarray, generators: Generators) -> float:
    """A bound of the 2-norm of a matrix times the input: its value at the centre, and a ball around that."""
    used = generators.moving & matrix.any(axis=0)
    around = spectral_norm_bound(selected(matrix, columns=used)) * generators.radius(used)
    centre = np.linalg.norm(matrix @ generators.centre) * upward(matrix.size)
    blur = gamma(matrix.shape[1]) * float(np.linalg.norm(generators.centre))
    return (around + float(centre) + blur * frobenius_bound(matrix)) * upward(4)


def _next_signal(problem: Difference, index: int, activity: Activity, before: _Signal | None) -> _Signal:
    """The target's activations behind a layer."""
    stage = problem.stages[index]
    if before is None:
        varies = np.any(selected(problem.entry_target, columns=problem.generators.moving) != 0, axis=1)
        norm = _entry_norm(selected(problem.entry_target, varies), problem.generators)
    else:
        varies = np.any(selected(stage.target, columns=before.moving) != 0, axis=1)
        norm = before.image_norm(selected(stage.target, varies))
    by_intervals = float(np.linalg.norm(activity.high[varies])) * upward(len(varies))
    half = (activity.high - activity.low) / 2
    constant = np.where(varies, 0.0, activity.low + half)
    blur = float(np.linalg.norm(half[~varies])) * upward(len(varies)) + 4e-16 * float(np.linalg.norm(constant))
    return _Signal(varies, min(norm, by_intervals), constant, blur)
