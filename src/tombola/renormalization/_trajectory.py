"""The map from level to level, from how runs go on by themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ._coordinates import log_ratios
from ._flow import Flow
from ._operator import Operator, Spectrum
from ._runs import SAME_TIME, collapsed, different_groups
from ._window import Window, window_of

EVEN = 0.05  # by how much of its mean a step of the flow may differ
FEWEST_RUNS = 3
PER_COORDINATE = 3  # seeds, for a covariance across seeds


def trajectory_operator(
    flows: Sequence[Flow], *, window: Window | tuple[int, int] | None = None, spectrum: Spectrum | None = None
) -> Operator:
    """The least squares map `x(n+1) = A x(n) + b` over all runs and levels of a window, with intervals over runs.

    Coordinates are log-ratios of magnitudes. If all runs follow nearly the same curve, the map cannot be identified:
    the condition number of the design `[x, 1]` says so, and above 100 no map is given. Intervals come from a bootstrap
    that draws whole runs. Noise of single levels draws eigenvalues towards 0, by some hundredths where it is a tenth
    of the spread between runs; of that the intervals know nothing.

    Args:
        flows: one for each seed, at least three.
        window: as for `drift`; levels in it must be evenly spaced in time.
        spectrum: how eigenvalues are reported.

    Raises:
        ValueError: if there is no flow, or a window is of other runs.

    Example:
        >>> from tombola.renormalization import gaussian_null
        >>> null = gaussian_null([1500, 1200, 960, 768, 614], {"a": 500, "b": 1000}, {"a": 1.0, "b": 0.7})
        >>> trajectory_operator([null] * 2, window=(0, 4)).refusals[-1]
        'a map wants at least 3 runs, there are 2'
    """
    spectrum = spectrum or Spectrum()
    if not isinstance(window, Window):
        window = window_of(flows) if window is None else window_of(flows, start=window[0], stop=window[1])
    if window.times is None:
        return Operator(refusals=window.refusals)
    if len(window.levels) != len(flows):
        raise ValueError(f"the window is of {len(window.levels)} runs, but there are {len(flows)}")
    if len(flows) < FEWEST_RUNS:
        return Operator(refusals=(*window.refusals, f"a map wants at least {FEWEST_RUNS} runs, there are {len(flows)}"))
    columns = [flows[0].groups.index(name) for name in window.groups]
    pairs = list(zip(flows, window.levels, strict=True))
    steps = np.concatenate([np.diff(flow.time[first : last + 1]) for flow, (first, last) in pairs])
    step = float(steps.mean())
    if (np.abs(steps - step) > EVEN * step).any():
        return Operator(refusals=(*window.refusals, "levels are not evenly spaced in time: each step has its own map"))
    points = [log_ratios(flow.magnitudes[first : last + 1, columns]).filled(0.0) for flow, (first, last) in pairs]
    return _fitted(points, step, spectrum, window.refusals)


def _fitted(points: list[np.ndarray], step: float, spectrum: Spectrum, refusals: tuple[str, ...]) -> Operator:
    """The map from coordinates `(levels, r)` of each run."""
    designs = [np.column_stack([run[:-1], np.ones(len(run) - 1)]) for run in points]
    rows, unknowns = sum(map(len, designs)), designs[0].shape[1]
    if rows < 2 * unknowns:
        said = f"{rows} steps of all runs are too few for a map of {unknowns - 1} coordinates; take {2 * unknowns}"
        return Operator(step=step, refusals=(*refusals, said))
    condition = float(np.linalg.cond(np.concatenate(designs)))
    if not condition <= spectrum.worst:
        said = f"the condition number of the design is {condition:.0f}, above {spectrum.worst:.0f}: runs are too alike"
        return Operator(condition=condition, step=step, refusals=(*refusals, said))
    squares = np.array([design.T @ design for design in designs])
    products = np.array([design.T @ run[1:] for design, run in zip(designs, points, strict=True)])
    matrix = np.linalg.solve(squares.sum(axis=0), products.sum(axis=0))[:-1].T
    draws = spectrum.draws(len(points))
    inverses = np.linalg.pinv(np.tensordot(draws, squares, 1), rcond=1e-10, hermitian=True)
    resampled = (inverses @ np.tensordot(draws, products, 1))[:, :-1].transpose(0, 2, 1)
    found = Operator(condition=condition, step=step, refusals=refusals)
    return spectrum.of(matrix, resampled, samples=len(points), found=found)


def ensemble_operator(
    flows: Sequence[Flow],
    level: int,
    *,
    noise: np.ndarray | None = None,
    spectrum: Spectrum | None = None,
) -> Operator:
    """The regression of deviations between runs at a level on those at the level before, `C_10 (C_00 - noise)^-1`.

    Without the covariance of what training adds by chance, eigenvalues are drawn towards 0. Runs must outnumber
    coordinates three times.

    Args:
        flows: one for each seed, of one schedule.
        level: the first of the two; all groups must have weights at both.
        noise: `(r, r)`, the covariance of measurement in the coordinates of `log_ratios`, as from repeated training of
            the same masks; default: none.
        spectrum: how eigenvalues are reported.

    Raises:
        ValueError: if there is no flow, the level is not there, or the noise has another shape.

    Example:
        >>> from tombola.renormalization import gaussian_null
        >>> null = gaussian_null([1500, 1200, 960], {"a": 500, "b": 1000}, {"a": 1.0, "b": 0.7})
        >>> ensemble_operator([null] * 2, 0).refusals
        ('a covariance of 1 coordinates wants at least 3 runs, there are 2',)
    """
    spectrum = spectrum or Spectrum()
    if problem := different_groups(flows) or collapsed(flows):
        return Operator(refusals=(problem,))
    if level < 0 or any(len(flow.counts) < level + 2 for flow in flows):
        raise ValueError(f"some run has no levels {level} and {level + 1}")
    size = len(flows[0].groups) - 1
    if noise is not None and noise.shape != (size, size):
        raise ValueError(f"the noise is a covariance of shape {(size, size)}, got {noise.shape}")
    times = np.array([flow.time[level : level + 2] for flow in flows])
    values = np.array([flow.magnitudes[level : level + 2] for flow in flows])
    if problem := _unfit(times, values, size, len(flows)):
        return Operator(refusals=(problem,))
    points = log_ratios(values).filled(0.0)
    before, after = points[:, 0], points[:, 1]
    weights = np.full((1, len(flows)), 1.0)
    own = _covariance(weights, before, before)[0] - (0.0 if noise is None else noise)
    spread = np.linalg.eigvalsh(own)
    condition = float(np.sqrt(spread[-1] / spread[0])) if spread[0] > 0 else float("inf")
    step = float(np.diff(times, axis=1).mean())
    if not condition <= spectrum.worst:
        said = f"the condition number of deviations is {condition:.0f}, above {spectrum.worst:.0f}: runs are too alike"
        known = condition if np.isfinite(condition) else None
        return Operator(condition=known, step=step, refusals=(said,))
    matrix = _covariance(weights, after, before)[0] @ np.linalg.inv(own)
    draws = spectrum.draws(len(flows))
    inverses = np.linalg.pinv(_covariance(draws, before, before) - (0.0 if noise is None else noise), rcond=1e-10)
    resampled = _covariance(draws, after, before) @ inverses
    refusals = () if noise is not None else ("noise of training is not taken off: eigenvalues are drawn towards 0",)
    found = Operator(condition=condition, step=step, refusals=refusals)
    return spectrum.of(matrix, resampled, samples=len(flows), found=found)


def _unfit(times: np.ndarray, values: np.ndarray, size: int, runs: int) -> str | None:
    """Why the deviations of runs at a level have no covariance."""
    if size < 1:
        return "one group only; nothing to compare"
    if runs < max(FEWEST_RUNS, PER_COORDINATE * size):
        wanted = max(FEWEST_RUNS, PER_COORDINATE * size)
        return f"a covariance of {size} coordinates wants at least {wanted} runs, there are {runs}"
    if float(np.ptp(times, axis=0).max()) > SAME_TIME:
        return "the runs have different densities at the level"
    return None if (values > 0).all() else "a group has no magnitude at the level or the next"


def _covariance(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`(b, r, r)`, covariances of rows with weights `(b, runs)`."""
    count = weights.sum(axis=1)[:, None]
    a, b = weights @ first / count, weights @ second / count
    products = first[:, :, None] * second[:, None, :]
    second_moments = np.tensordot(weights, products, 1) / count[:, :, None]
    return (second_moments - a[:, :, None] * b[:, None, :]) * (count / (count - 1))[:, :, None]
