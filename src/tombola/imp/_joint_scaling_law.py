"""One law for the errors of pruned networks of several depths and widths.

References:
    [Rosenfeld2021] J. Rosenfeld, J. Frankle, M. Carbin, N. Shavit, "On the predictability of pruning across scales",
        ICML 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ._scaling_law import GAMMAS, ScalingLaw, best_fit, check_errors, check_power_law, curve

EXPONENT = 10.0  # the largest modulus of phi and psi that is looked at


@dataclass(frozen=True)
class JointScalingLaw:
    """The error as a function of depth, width and density [Rosenfeld2021].

    The law of a single network in `m = depth^phi width^psi density` instead of the density, with the same constants for
    all networks of a family. Depth, width and data come in once more through the error of the dense network.

    Attributes:
        top: the error that all networks tend to when nothing is left.
        gamma: the exponent of the power law.
        p: the `m` where the power law ends at the top. It depends on the units of depth and width.
        phi: the exponent of the depth.
        psi: the exponent of the width.

    Example:
        >>> law = JointScalingLaw(top=0.9, gamma=0.5, p=0.02, phi=1.0, psi=2.0)
        >>> narrow, wide = law.of(depth=20.0, width=1.0, dense=0.1), law.of(depth=20.0, width=2.0, dense=0.08)
        >>> round(narrow.density_for(0.2), 4), round(wide.density_for(0.2), 4)
        (0.0209, 0.0051)
    """

    top: float
    gamma: float
    p: float
    phi: float
    psi: float

    def of(self, *, depth: float, width: float, dense: float) -> ScalingLaw:
        """The law of one network: its error at any density, and the density for an error.

        Args:
            depth: positive, in the unit of the fit.
            width: likewise.
            dense: the error of the network before pruning, below `top`.

        Raises:
            ValueError: if a number is out of range.
        """
        if not (depth > 0 and width > 0 and 0 < dense < self.top):
            got = f"{depth}, {width} and {dense}"
            raise ValueError(f"depth and width are positive and the dense error lies in (0, {self.top:.3g}), got {got}")
        return ScalingLaw(dense, self.top, self.gamma, self.p * depth**-self.phi * width**-self.psi)


def fit_joint_scaling_law(
    depths: Float[np.ndarray, " n"],
    widths: Float[np.ndarray, " n"],
    densities: Float[np.ndarray, " n"],
    errors: Float[np.ndarray, " n"],
    *,
    dense: Float[np.ndarray, " n"],
    classes: int,
) -> JointScalingLaw:
    """The joint law through measured errors: five constants, by least squares of relative deviations.

    Heuristic. It is refused where the data cannot tell the constants apart: as in the fit of a single network, and if
    the networks on the power law do not differ in depth and in width separately. That takes three networks at least,
    with two depths and two widths among them.

    Args:
        depths: of the network of each measurement; positive, in any unit.
        widths: likewise.
        densities: in (0, 1].
        errors: fractions of examples that are misclassified.
        dense: the error of the network of each measurement before pruning.
        classes: how many; chance is an error of `1 - 1 / classes`, and no fit goes beyond it.

    Raises:
        ValueError: if the data do not fit each other, or do not reach far enough to be fitted.

    Example:
        >>> law = JointScalingLaw(top=0.85, gamma=0.5, p=0.02, phi=1.0, psi=1.5)
        >>> nets = [(8.0, 1.0, 0.12), (20.0, 1.0, 0.09), (20.0, 0.5, 0.11)]
        >>> depths, widths, dense = np.repeat(nets, 30, axis=0).T
        >>> densities = np.tile(0.7 ** np.arange(30), 3)
        >>> laws = [law.of(depth=depth, width=width, dense=error) for depth, width, error in nets]
        >>> errors = np.array([each(d) for each in laws for d in densities[:30]])
        >>> found = fit_joint_scaling_law(depths, widths, densities, errors, dense=dense, classes=10)
        >>> round(found.gamma, 3), round(found.phi, 3), round(found.psi, 3)
        (0.5, 1.0, 1.5)
    """
    check_errors(densities, errors, dense, classes)
    sizes = _log_sizes(depths, widths)
    centres = sizes.mean(1, keepdims=True)  # constants that do not depend on the units are found more easily

    def p_of(x: np.ndarray) -> np.ndarray:
        return np.exp(x[1] - x[3:] @ (sizes - centres))

    def deviations(x: np.ndarray) -> np.ndarray:
        return curve(densities, dense, float(x[2]), float(np.exp(x[0])), p_of(x)) / errors - 1

    x = best_fit(deviations, *_starts(densities, dense, 1 - 1 / classes))
    top, gamma, p = float(x[2]), float(np.exp(x[0])), p_of(x)
    on_power_law = (densities > p) & (densities < p * (top / dense) ** (1 / gamma))
    check_power_law(on_power_law, gamma)
    _check_spread(sizes[:, on_power_law], "the networks on the power law")
    if np.abs(x[3:]).max() > 0.99 * EXPONENT:
        raise ValueError(f"depth and width would have the exponents {x[3]:.3g} and {x[4]:.3g}; the law does not hold")
    return JointScalingLaw(top, gamma, float(np.exp(x[1] + x[3:] @ centres[:, 0])), float(x[3]), float(x[4]))


def _log_sizes(depths: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """`(2, n)` logarithms, once it is known that they tell depth from width."""
    if not ((depths > 0).all() and (widths > 0).all()):
        raise ValueError("depths and widths are positive")
    sizes = np.log([depths, widths])
    _check_spread(sizes, "the networks")
    return sizes


def _check_spread(sizes: np.ndarray, which: str) -> None:
    """Raises ValueError unless the logarithms of depth and width vary, and not in step."""
    if np.linalg.matrix_rank(np.vstack([np.ones(sizes.shape[1]), sizes])) < 3:
        raise ValueError(
            f"{which} differ too little to tell depth from width; measure at least three, of two depths and two widths"
        )


def _starts(
    densities: np.ndarray, dense: np.ndarray, chance: float
) -> tuple[list[list[float]], list[float], list[float]]:
    """Where the search for `(ln gamma, ln p, top, phi, psi)` begins, and its bounds."""
    least_top = float(dense.max()) * 1.0001
    low = [np.log(GAMMAS[0]), np.log(densities.min() / 1e3), least_top, -EXPONENT, -EXPONENT]
    high = [np.log(GAMMAS[1]), 0.0, chance, EXPONENT, EXPONENT]
    starts = [
        [np.log(gamma), np.log(p), (least_top + 9 * chance) / 10, exponent, exponent]
        for gamma in (0.3, 1.0)
        for p in np.quantile(densities, [0, 0.3])
        for exponent in (0.0, 1.0)
    ]
    return starts, low, high
