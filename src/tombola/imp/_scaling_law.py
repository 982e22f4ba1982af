"""How the error of a pruned network grows as fewer weights are kept, and how far one can prune.

References:
    [Rosenfeld2021] J. Rosenfeld, J. Frankle, M. Carbin, N. Shavit, "On the predictability of pruning across scales",
        ICML 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LEAST_POINTS = 3  # on the power-law part
GAMMAS = (0.02, 20.0)


@dataclass(frozen=True)
class ScalingLaw:
    """The error as a function of the density: a plateau, a power law, and chance [Rosenfeld2021].

    `error(d) = dense ((d^2 + p^2 (top / dense)^(2 / gamma)) / (d^2 + p^2))^(gamma / 2)`.

    Attributes:
        dense: the error of the dense network, as a fraction.
        top: the error that it tends to when nothing is left.
        gamma: the exponent of the power law between them.
        p: the density where that ends at the top.

    Example:
        >>> law = ScalingLaw(dense=0.08, top=0.9, gamma=0.5, p=1e-3)
        >>> round(law(1.0), 3), round(law(1e-6), 3)
        (0.08, 0.9)
        >>> round(law(law.density_for(0.2)), 6)
        0.2
    """

    dense: float
    top: float
    gamma: float
    p: float

    @property
    def knee(self) -> float:
        """The density where the plateau ends and the power law begins."""
        return self.p * (self.top / self.dense) ** (1 / self.gamma)

    def __call__(self, density: float) -> float:
        """The error at a density in (0, 1]."""
        return float(curve(np.array([density]), self.dense, self.top, self.gamma, self.p)[0])

    def density_for(self, error: float) -> float:
        """The density at which the error is this; 1 if it is that of the dense network, or below.

        Raises:
            ValueError: if no density gives so large an error.
        """
        if error >= self.top:
            raise ValueError(f"the error stays below {self.top:.3g} at every density, got {error:.3g}")
        ratio = (max(error, self.dense) / self.dense) ** (2 / self.gamma)
        if ratio <= 1:
            return 1.0
        reach = (self.top / self.dense) ** (2 / self.gamma)
        return min(1.0, float(self.p * np.sqrt((reach - ratio) / (ratio - 1))))


def fit_scaling_law(
    densities: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"], *, dense: float, classes: int
) -> ScalingLaw:
    """The scaling law through measured errors: least squares of relative deviations.

    Heuristic. It is refused where the data cannot tell the constants apart: with fewer than three densities on the
    power law, or errors that stay below half of chance.

    Args:
        densities: in (0, 1].
        errors: fractions of examples that are misclassified, at these densities.
        dense: the error of the dense network.
        classes: how many; chance is an error of `1 - 1 / classes`, and no fit goes beyond it.

    Raises:
        ValueError: if the data do not fit each other, or do not reach far enough to be fitted.

    Example:
        >>> densities = 0.8 ** np.arange(0, 41)
        >>> law = ScalingLaw(dense=0.08, top=0.85, gamma=0.5, p=1e-3)
        >>> found = fit_scaling_law(densities, np.array([law(d) for d in densities]), dense=0.08, classes=10)
        >>> round(found.gamma, 3), round(found.p, 5)
        (0.5, 0.001)
    """
    check_errors(densities, errors, dense, classes)
    chance = 1 - 1 / classes

    def law(x: np.ndarray) -> ScalingLaw:
        return ScalingLaw(dense, float(x[2]), float(np.exp(x[0])), float(np.exp(x[1])))

    def deviations(x: np.ndarray) -> np.ndarray:
        return _fitted(densities, law(x)) / errors - 1

    low = [np.log(GAMMAS[0]), np.log(densities.min() / 1e3), dense * 1.0001]
    high = [np.log(GAMMAS[1]), 0.0, chance]
    top = max(0.95 * chance, (dense + chance) / 2)
    starts = [[np.log(gamma), np.log(p), top] for gamma in (0.3, 1.0) for p in np.quantile(densities, [0, 0.3])]
    fitted = law(best_fit(deviations, starts, low, high))
    check_power_law((densities > fitted.p) & (densities < fitted.knee), fitted.gamma)
    return fitted


def prunable_to(
    law: ScalingLaw,
    densities: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    *,
    error: float,
    classes: int,
    draws: int = 200,
    generator: np.random.Generator,
) -> tuple[float, float, float]:
    """How far a network can be pruned for an error: the density, between the ends of a 95 % interval.

    Heuristic: the law is fitted again to errors with their relative deviations drawn anew, with replacement.

    Args:
        law: what `fit_scaling_law` found.
        densities: that it was fitted to.
        errors: likewise.
        error: that is to be allowed.
        classes: how many.
        draws: how often.
        generator: of the draws.

    Returns:
        Lower end, estimate and upper end; refused fits are left out, and the ends are 0 and 1 if all are.

    Raises:
        ValueError: if the law never gives so large an error.
    """
    fitted = _fitted(densities, law)
    deviations, found = errors / fitted - 1, []
    estimate = law.density_for(error)
    for _ in range(draws):
        drawn = fitted * (1 + generator.choice(deviations, deviations.size))
        try:
            found.append(fit_scaling_law(densities, drawn, dense=law.dense, classes=classes).density_for(error))
        except ValueError:
            continue
    low, high = np.quantile(found, [0.025, 0.975]) if found else (0.0, 1.0)
    return float(min(low, estimate)), estimate, float(max(high, estimate))


def curve(
    densities: np.ndarray, dense: float | np.ndarray, top: float, gamma: float, p: float | np.ndarray
) -> np.ndarray:
    """The law at `(n,)` densities; `dense` and `p` are one number each, or `(n,)` of them."""
    reach = (top / dense) ** (2 / gamma)
    squares = np.square(densities)
    return dense * ((squares + p**2 * reach) / (squares + p**2)) ** (gamma / 2)


def best_fit(
    deviations: Callable[[np.ndarray], np.ndarray], starts: list[list[float]], low: list[float], high: list[float]
) -> np.ndarray:
    """The constants between bounds with the least sum of squares that is found from several starts."""
    from scipy.optimize import least_squares

    return min((least_squares(deviations, start, bounds=(low, high)) for start in starts), key=lambda fit: fit.cost).x


def check_power_law(on_power_law: np.ndarray, gamma: float) -> None:
    """Raises ValueError unless enough densities lie on the power law to tell its exponent."""
    if on_power_law.sum() < LEAST_POINTS or gamma > 0.99 * GAMMAS[1]:
        raise ValueError(
            f"only {int(on_power_law.sum())} of {on_power_law.size} densities lie on the power law, and "
            f"{LEAST_POINTS} are needed; measure at lower densities"
        )


def _fitted(densities: np.ndarray, law: ScalingLaw) -> np.ndarray:
    return curve(densities, law.dense, law.top, law.gamma, law.p)


def check_errors(densities: np.ndarray, errors: np.ndarray, dense: float | np.ndarray, classes: int) -> None:
    """Raises ValueError unless measurements can be fitted; `dense` is one number, or `(n,)` of them."""
    if densities.shape != errors.shape or densities.size < LEAST_POINTS:
        raise ValueError(f"densities and errors are equally many, and {LEAST_POINTS} at least; got {densities.size}")
    if not ((densities > 0) & (densities <= 1)).all() or not ((errors > 0) & (errors <= 1)).all():
        raise ValueError("densities and errors are fractions, above 0 and at most 1")
    if not (classes > 1 and np.all(np.less(0, dense)) and np.all(np.less(dense, 1 - 1 / classes))):
        raise ValueError(f"the dense error lies above 0 and below chance of {classes} classes, got {dense}")
    if errors.max() < 0.5 * (1 - 1 / classes):
        raise ValueError(
            f"errors reach {errors.max():.3g} and would have to reach half of chance, {0.5 * (1 - 1 / classes):.3g}; "
            "measure at lower densities"
        )
