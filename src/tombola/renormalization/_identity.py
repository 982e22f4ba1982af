"""Exponents from each level to the next, and the identity that they obey exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._flow import Flow


@dataclass(frozen=True, eq=False)
class LocalExponents:
    """What happens to the density of each group from a level to the next, per unit of time of the flow.

    Attributes:
        groups: names, in order.
        exponents: `(steps, g)`, `y_i = d ln d_i / d ln d`: 1 for a group that is pruned as the whole is, above 1 for
            one that loses more. Masked where a group has no weights before or after.
        eigenvalues: `(steps, g)`, shares of all kept weights after, over those before: `p_i(n+1) / p_i(n)`. A group is
            relevant in this sense if they exceed 1, that is if its exponent is below 1. Masked likewise.
        residuals: `(steps,)`, `sum_i p_i c^y_i - c`. The sum is what the step has kept, so the modulus is at most
            that of the rounding of the counts.
        bounds: `(steps,)`, 1 over the number of weights before, which bounds a residual if counts are rounded to
            integers from the fraction `c` that was asked for.
        refusals: what could not be given, in words.
    """

    groups: tuple[str, ...]
    exponents: np.ma.MaskedArray
    eigenvalues: np.ma.MaskedArray
    residuals: np.ndarray
    bounds: np.ndarray
    refusals: tuple[str, ...]


def local_exponents(flow: Flow, *, factor: float | None = None) -> LocalExponents:
    """Local exponents of one run, with the residual of the identity `sum_i p_i c^y_i = c` at every level.

    `y_i(n) = ln(d_i(n+1) / d_i(n)) / ln c`. A group that vanishes adds 0 to the sum, as its limit does.

    Args:
        flow: of at least two levels; a step at which nothing is pruned has no exponents.
        factor: the fraction `c` of weights that every step was asked to keep; default: what each step has kept, for
            which the residual is that of floating point alone.

    Raises:
        ValueError: if `factor` is not in (0, 1).

    Example:
        >>> counts = np.array([[100, 100], [60, 100], [28, 100]])
        >>> flow = Flow(("a", "b"), np.array([100, 100]), counts, 1.0 * counts, 1.0 * counts)
        >>> found = local_exponents(flow, factor=0.8)
        >>> found.exponents.round(2).tolist(), found.residuals.round(3).tolist()
        ([[2.29, -0.0], [3.42, -0.0]], [0.0, 0.0])
    """
    if factor is not None and not 0 < factor < 1:
        raise ValueError(f"factor is the fraction that a step keeps and lies in (0, 1), got {factor}")
    before, after, kept = flow.counts[:-1], flow.counts[1:], flow.kept
    alive = (before > 0) & (after > 0)
    ratios = np.where(alive, after / np.maximum(before, 1), 1.0)
    fractions = kept[1:] / np.maximum(kept[:-1], 1)
    moving = (fractions > 0) & (fractions < 1) if factor is None else np.ones(len(fractions), bool)
    logs = np.log(np.where(moving, fractions, 0.5) if factor is None else np.full(len(fractions), factor))[:, None]
    exponents = np.log(ratios) / logs
    shares = before / np.maximum(kept[:-1], 1)[:, None]
    sums = np.where(moving, (shares * np.where(alive, np.exp(exponents * logs), 0.0)).sum(axis=1), fractions)
    eigenvalues = np.where(alive, ratios / np.where(fractions > 0, fractions, 1.0)[:, None], 1.0)
    return LocalExponents(
        flow.groups,
        np.ma.MaskedArray(exponents, mask=~alive | ~moving[:, None]),
        np.ma.MaskedArray(eigenvalues, mask=~alive),
        sums - (fractions if factor is None else factor),
        1 / np.maximum(kept[:-1], 1),
        (
            *_vanished(flow),
            *(f"step {n} prunes nothing and has no exponents" for n in np.flatnonzero((fractions >= 1) & ~moving)),
        ),
    )


def _vanished(flow: Flow) -> list[str]:
    """The groups that lose all weights, and at which level."""
    return [
        f"{name!r} has lost all weights at level {int(np.argmin(column))}; it has no exponents from there on"
        for name, column in zip(flow.groups, flow.counts.T > 0, strict=True)
        if not column.all()
    ]
