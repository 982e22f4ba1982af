"""Trigonometric polynomials: an affine map of frequencies, reflections if they pay, and a sine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from ._family import Family, checked, checked_tolerance
from ._function import Function, reflection, sine
from ._step import Block, Linear

WEIGHTS = 0.1  # of the tolerance: what the frequencies and phases may be off by
FOLDS = 0.15  # of the tolerance: what all reflections may be off by
MARGIN = 2.0**-6  # that a block covers beyond what exact frequencies reach; a ticket covers what it reaches


def fourier(
    dimension: int, frequency: int, *, period: float = 1.0, tolerance: float = 1e-2, fold: bool = False
) -> Family:
    """All `sin` and `cos` of `2 pi n.x / period` with `0 < |n|_1 <= frequency`, one of n and -n, for x in `[0, 1]^d`.

    One block computes `sin(2 pi t)` for all of them, with a phase of a quarter for the cosines. A whole number is added
    to t so that it is never negative. On an interval of length T the best broken lines of N pieces have the error
    `(0.763 pi T)^2 / (4 N^2)`, about. With `fold`, t is reflected at points of symmetry until half a period is left:
    `log2(4 T)` more blocks of two hidden units each, and a sine that does not grow with the frequency.

    Args:
        dimension: how many inputs.
        frequency: the largest |n|_1.
        period: in lengths of the box; 2 suits functions that are not periodic.
        tolerance: the largest error wanted, of any feature.
        fold: whether to reflect.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> family = fourier(1, 2)
        >>> family.label(["x"])
        ['sin(2 pi x)', 'cos(2 pi x)', 'sin(2 pi (2 x))', 'cos(2 pi (2 x))']
        >>> family.exact(np.array([[0.125]]))[0, :3].round(3).tolist()
        [0.707, 0.707, 1.0]
    """
    dimension, frequency = checked("dimension", dimension, 1), checked("frequency", frequency, 1)
    tolerance = checked_tolerance(tolerance)
    if not (math.isfinite(period) and period > 0):
        raise ValueError(f"period must be a positive finite number, got {period}")
    waves = frequency_matrix(dimension, frequency)
    weight = np.repeat(waves / period, 2, axis=0)
    below = np.ceil(-np.minimum(weight, 0).sum(axis=1))
    phase = np.tile([0.0, 0.25], len(waves)) + below
    high = float((np.maximum(weight, 0).sum(axis=1) + phase).max()) + MARGIN
    reflections = _reflections(high) if fold else []
    budget = tolerance * (1 - WEIGHTS) - (FOLDS * tolerance if reflections else 0.0)
    wave = sine(0.5 + 2 * MARGIN, phase=0.25) if fold else sine(high)
    share = WEIGHTS * tolerance / (2 * math.pi) / (min(dimension, frequency) + 1)
    fold_error = FOLDS * tolerance / (2 * math.pi) / max(1, len(reflections))
    steps = (
        Linear("frequencies", weight, phase, share),
        *(Block(f"fold{k}", (one,), fold_error) for k, one in enumerate(reflections, 1)),
        Block("sine", (wave,), budget, relu=False),
    )
    settings = {"frequency": frequency, "period": float(period), "fold": bool(fold)}

    def label(names: Sequence[str]) -> list[str]:
        over = "" if period == 1 else f" / {period:g}"
        sums = [_sum(names, row) for row in waves.astype(int)]
        return [f"{wave}(2 pi {argument}{over})" for argument in sums for wave in ("sin", "cos")]

    return Family("fourier", dimension, tolerance, settings, steps, label)


def _reflections(high: float) -> list[Function]:
    """Reflections at points of symmetry of the sine, the last of which gives the distance from 1/4, at most 1/2."""
    found: list[Function] = []
    while high > 1:
        at = 0.25 + math.ceil(2 * (high / 2 - 0.25)) / 2
        found.append(reflection(at, high))
        high = at + MARGIN
    if high > 0.75 + MARGIN:
        found.append(reflection(0.75, high))
    return [*found, reflection(0.25, 0.75 + MARGIN, base=0.0)]


def _sum(names: Sequence[str], row: np.ndarray) -> str:
    """A whole-numbered combination of inputs, as one reads it."""
    terms = [
        ("-" if n < 0 else "+", name if abs(n) == 1 else f"{abs(n)} {name}")
        for n, name in zip(row.tolist(), names, strict=True)
        if n
    ]
    text = terms[0][1] + "".join(f" {sign} {term}" for sign, term in terms[1:])
    return text if text in names else f"({text})"


def frequency_matrix(dimension: int, frequency: int) -> np.ndarray:
    """The vectors n `(waves, dimension)` of whole numbers with `0 < |n|_1 <= frequency` whose first entry is positive.

    Example:
        >>> frequency_matrix(2, 1).astype(int).tolist()
        [[1, 0], [0, 1]]
        >>> len(frequency_matrix(2, 2))
        6
    """
    from ._polynomial import exponent_matrix

    rows = []
    for sizes in exponent_matrix(dimension, frequency):
        places = np.flatnonzero(sizes)
        for signs in product((1.0, -1.0), repeat=places.size - 1):
            row = sizes.copy()
            row[places[1:]] *= signs
            rows.append(row)
    return np.array(rows)
