"""What a level does to deviations of groups from the flow, as a linear map with exponents of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._intervals import label

WORST = 100.0  # condition numbers above it say that the map cannot be identified


@dataclass(frozen=True, eq=False)
class Operator:
    """A linear map of log-ratios of groups, from a level to the next, and its exponents.

    Coordinates are those of `log_ratios`; eigenvalues do not depend on which log-ratios are taken.

    Attributes:
        matrix: `(r, r)` with one coordinate less than groups; None if it could not be given.
        eigenvalues: `(r,)` complex, the largest modulus first; None likewise.
        low: `(r,)`, lower ends of intervals of the moduli; None if there are none.
        high: `(r,)`, upper ends.
        exponents: `(r,)`, `ln |eigenvalue|` per unit of time of the flow.
        exponents_low: `(r,)`, lower ends of their intervals.
        exponents_high: `(r,)`, upper ends.
        labels: relevant above 0, irrelevant below, marginal around, or undetermined.
        condition: of what was inverted; None if it was not reached.
        step: the time of the flow from level to level; None if it was not reached.
        refusals: in words.
    """

    matrix: np.ndarray | None = None
    eigenvalues: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    exponents: np.ndarray | None = None
    exponents_low: np.ndarray | None = None
    exponents_high: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    condition: float | None = None
    step: float | None = None
    refusals: tuple[str, ...] = ()

    def without_intervals(self, why: str) -> Operator:
        """The same map with no word on how sure it is."""
        nothing = ("undetermined",) * len(self.labels)
        said = (*self.refusals, why)
        return replace(
            self, low=None, high=None, exponents_low=None, exponents_high=None, labels=nothing, refusals=said
        )

    def to_json(self) -> dict[str, Any]:
        """The exponents as plain data, None where there is no number."""
        values = None if self.eigenvalues is None else [[float(v.real), float(v.imag)] for v in self.eigenvalues]
        arrays = {
            name: None if array is None else array.tolist()
            for name, array in (
                ("low", self.low),
                ("high", self.high),
                ("exponents", self.exponents),
                ("exponents_low", self.exponents_low),
                ("exponents_high", self.exponents_high),
            )
        }
        return {
            "eigenvalues": values,
            **arrays,
            "labels": list(self.labels),
            "condition": self.condition,
            "step": self.step,
            "refusals": list(self.refusals),
        }


@dataclass(frozen=True)
class Spectrum:
    """How eigenvalues are reported.

    Args:
        confidence: of each interval by itself.
        tolerance: within which of 0 an exponent counts as marginal.
        resamples: of the bootstrap over seeds, or over noises.
        seed: of the bootstrap.
        worst: the largest condition number that is not refused.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> Spectrum(resamples=200).confidence
        0.95
    """

    confidence: float = 0.95
    tolerance: float = 0.05
    resamples: int = 1000
    seed: int = 0
    worst: float = WORST

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1 or self.resamples < 100 or self.worst <= 1:
            raise ValueError("wanted a confidence in (0, 1), 100 resamples or more, and a worst condition above 1")

    def draws(self, count: int) -> np.ndarray:
        """`(resamples, count)`, how often each of `count` samples is in each resample."""
        random = np.random.default_rng(self.seed)
        return random.multinomial(count, np.full(count, 1 / count), size=self.resamples).astype(float)

    def of(self, matrix: np.ndarray, resampled: np.ndarray, *, samples: int, found: Operator) -> Operator:
        """What was `found`, with a matrix and intervals from resampled ones `(b, r, r)` of so many samples.

        Intervals are by Student's t on the logarithm of the modulus; its spread over resamples is half the distance
        of the quantiles that lie one standard deviation off in a normal law.
        """
        from scipy.stats import norm, t

        eigenvalues = np.linalg.eigvals(matrix).astype(complex)
        eigenvalues = eigenvalues[np.argsort(-np.abs(eigenvalues), kind="stable")]
        value, drawn = _logs(eigenvalues), _logs(_matched(eigenvalues, np.linalg.eigvals(resampled)))
        spread = np.ptp(np.quantile(drawn, [norm.cdf(-1), norm.cdf(1)], axis=0), axis=0) / 2
        reach = spread * (samples / max(samples - 1, 1)) ** 0.5 * t.ppf((1 + self.confidence) / 2, max(samples - 1, 1))
        low, high, step = value - reach, value + reach, found.step or 1.0
        ends = zip(low / step, high / step, strict=True)
        return replace(
            found,
            matrix=matrix,
            eigenvalues=eigenvalues,
            low=np.exp(low),
            high=np.exp(high),
            exponents=value / step,
            exponents_low=low / step,
            exponents_high=high / step,
            labels=tuple(label(float(one), float(other), tolerance=self.tolerance) for one, other in ends),
        )


def _logs(eigenvalues: np.ndarray) -> np.ndarray:
    """Logarithms of moduli, of at least 1e-12."""
    return np.log(np.maximum(np.abs(eigenvalues), 1e-12))


def _matched(eigenvalues: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """`(b, r)`: eigenvalues of resamples in the order of those that they are nearest to, by the Hungarian method."""
    from scipy.optimize import linear_sum_assignment

    apart = np.abs(eigenvalues[None, :, None] - resampled[:, None, :])
    return np.array([row[linear_sum_assignment(cost)[1]] for row, cost in zip(resampled, apart, strict=True)])
