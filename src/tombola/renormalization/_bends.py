"""How straight the log-magnitudes of groups are over time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._flow import Flow

CURVED = 0.1  # of the linear change


def _logs(
    flows: Sequence[Flow], columns: Sequence[int], levels: Sequence[tuple[int, int]]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each run, times from -1 to 1, and log-magnitudes `(levels, g)`."""
    found = []
    for flow, (first, last) in zip(flows, levels, strict=True):
        rows, time = slice(first, last + 1), flow.time[first : last + 1]
        scaled = 2 * (time - time[0]) / max(time[-1] - time[0], 1e-300) - 1
        found.append((scaled, np.log(flow.magnitudes[rows][:, columns])))
    return found


def bends(flows: Sequence[Flow], columns: Sequence[int], levels: Sequence[tuple[int, int]]) -> tuple[int, float] | None:
    """The column that bends most, and by what part of its linear change; None if none does so significantly.

    With `u` from -1 to 1 over the window, the fit is `a + b u + q u^2`: the linear change is `2 b`, what curvature
    adds is `q`. Over seeds the mean of `q` is compared with 0 by a t test at 5 %.
    """
    from scipy.stats import t

    fits = []
    for scaled, logs in _logs(flows, columns, levels):
        fits.append(np.linalg.lstsq(np.vander(scaled, 3, increasing=True), logs, rcond=None)[0])
    linear, quadratic = np.array(fits)[:, 1], np.array(fits)[:, 2]
    seeds = len(flows)
    spread = quadratic.std(axis=0, ddof=1) / seeds**0.5
    significant = np.abs(quadratic.mean(axis=0)) > t.ppf(0.975, seeds - 1) * spread
    part = np.abs(quadratic.mean(axis=0)) / np.maximum(2 * np.abs(linear.mean(axis=0)), 1e-300)
    if not (bent := significant & (part > CURVED)).any():
        return None
    worst = int(np.argmax(np.where(bent, part, -1.0)))
    return worst, float(part[worst])


def straightness(
    flows: Sequence[Flow], columns: Sequence[int], levels: Sequence[tuple[int, int]]
) -> list[float | None]:
    """Of each column, the part of its variance that a line explains, on average over runs; None if it never varies."""
    parts = []
    for scaled, logs in _logs(flows, columns, levels):
        centred, times = logs - logs.mean(axis=0), scaled - scaled.mean()
        whole = (centred**2).sum(axis=0)
        explained = (times @ centred) ** 2 / (times @ times)
        parts.append(np.where(whole > 1e-24, explained / np.where(whole > 1e-24, whole, 1.0), -1.0))
    table = np.ma.masked_less(np.array(parts), 0.0)
    return [None if value is None else float(value) for value in table.mean(axis=0).tolist()]
