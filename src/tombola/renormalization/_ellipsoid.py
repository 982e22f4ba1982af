"""The joint region of all exponents, by Hotelling's statistic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._coordinates import log_ratio_basis

SHRINKAGE = 0.2
SPARE = 5  # seeds more than free coordinates for the covariance to be taken as it is
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """A region of exponent vectors of sum 0: `(s - centre) P (s - centre) <= 1`.

    Attributes:
        centre: `(g,)`, the mean.
        precision: `(g, g)`, positive on vectors of sum 0.
        shrinkage: how much of the covariance was replaced by a multiple of the identity; 0 for Hotelling's own.
    """

    centre: np.ndarray
    precision: np.ndarray
    shrinkage: float

    def contains(self, exponents: np.ndarray) -> bool:
        """Whether a vector `(g,)` lies in the region.

        Example:
            >>> Ellipsoid(np.zeros(2), np.eye(2), 0.0).contains(np.array([0.5, -0.5]))
            True
        """
        away = exponents - self.centre
        return bool(away @ self.precision @ away <= 1)


def ellipsoid(runs: np.ndarray, *, confidence: float = 0.95, seed: int = 0) -> Ellipsoid:
    """The region in which the mean of all runs lies with a confidence.

    With enough seeds it is Hotelling's, exact for normal exponents. With few, the covariance is shrunk towards a
    multiple of the identity by a fifth, and the size of the region is that which holds in simulations of normal
    exponents with the shrunk covariance: a heuristic.

    Args:
        runs: `(seeds, g)`, rows of sum 0, at least two rows and two columns.
        confidence: in (0, 1).
        seed: of the simulations.

    Example:
        >>> drawn = np.random.default_rng(0).standard_normal((9, 3))
        >>> ellipsoid(drawn - drawn.mean(axis=1, keepdims=True)).shrinkage
        0.0
    """
    seeds, groups = runs.shape
    basis, free = log_ratio_basis(groups), groups - 1
    centred = (runs - runs.mean(axis=0)) @ basis
    covariance = centred.T @ centred / (seeds - 1)
    if seeds >= free + SPARE and np.linalg.matrix_rank(covariance) == free:
        from scipy.stats import f

        size = free * (seeds - 1) / (seeds - free) * float(f.ppf(confidence, free, seeds - free))
        shrinkage = 0.0
    else:
        shrinkage, covariance = SHRINKAGE, shrunk(covariance)
        size = _simulated(covariance, seeds, confidence, np.random.default_rng(seed))
    precision = basis @ np.linalg.inv(covariance) @ basis.T * seeds / size
    return Ellipsoid(runs.mean(axis=0), precision, shrinkage)


def shrunk(covariance: np.ndarray, *, by: float = SHRINKAGE) -> np.ndarray:
    """`(1 - l) C + l tr(C) / k I` for covariances `(..., k, k)`; never singular, even if all are 0."""
    size = covariance.shape[-1]
    mean = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None] / size
    return (1 - by) * covariance + np.maximum(by * mean, 1e-30) * np.eye(size)


def _simulated(covariance: np.ndarray, seeds: int, confidence: float, random: np.random.Generator) -> float:
    """The quantile of Hotelling's statistic with a shrunk covariance."""
    root = np.linalg.cholesky(covariance)
    draws = random.standard_normal((DRAWS, seeds, len(covariance))) @ root.T
    means = draws.mean(axis=1)
    centred = draws - means[:, None]
    found = shrunk(np.swapaxes(centred, 1, 2) @ centred / (seeds - 1))
    solved = np.linalg.solve(found, means[..., None])[..., 0]
    return float(np.quantile(seeds * (means * solved).sum(axis=1), confidence))
