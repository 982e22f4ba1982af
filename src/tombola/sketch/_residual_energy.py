"""How much of Gaussian weights a mask leaves out: the error at initialisation of masks that do not rescale."""

from __future__ import annotations

import math
from statistics import NormalDist


def top_energy(density: float) -> float:
    """The share of `||w||^2` outside the largest `|w|`: `1 - density - 2 t phi(t)`, `t = Phi^-1(1 - density / 2)`.

    Exact in the limit of many Gaussian weights, derived here. On data without preferred direction it is the error of
    the mask at initialisation relative to the output, the least of all masks of this density.

    Args:
        density: the kept fraction, in (0, 1].

    Raises:
        ValueError: if it is out of range.

    Example:
        >>> round(top_energy(0.1), 3), round(sampled_energy(0.1), 3)
        (0.561, 0.808)
    """
    _check(density)
    if density == 1:
        return 0.0
    gauss = NormalDist()
    t = -gauss.inv_cdf(density / 2)
    return 1 - density - 2 * t * gauss.pdf(t)


def sampled_energy(density: float) -> float:
    """The share of `||w||^2` outside a mask that is drawn without replacement in proportion to `|w|`.

    `E[g^2 exp(-l |g|)]`, `l` such that `E[1 - exp(-l |g|)] = density`. Exact in the limit of many Gaussian weights,
    derived here; uniformly random masks leave out `1 - density`. What drawing gains lies in how masks spread over
    layers and units, not here.

    Args:
        density: the kept fraction, in (0, 1].

    Raises:
        ValueError: if it is out of range.

    Example:
        >>> [round(sampled_energy(density), 3) for density in (0.5, 0.01)]
        [0.224, 0.98]
    """
    _check(density)
    if density == 1:
        return 0.0
    from scipy.integrate import quad
    from scipy.optimize import brentq
    from scipy.special import erfcx

    # The mean of exp(-l |g|) is erfcx(l / sqrt(2)), which falls like sqrt(2 / pi) / l.
    left = 1 - density
    rate = float(brentq(lambda rate: erfcx(rate / math.sqrt(2)) - left, 0.0, 1 / left, xtol=1e-14))  # pyright: ignore
    unit = 1 / (1 + rate)  # of g, so that the integrand has its bulk near 1 at any density
    bulk = quad(lambda x: x * x * math.exp(-rate * unit * x - (unit * x) ** 2 / 2), 0, math.inf)[0]
    return 2 * unit**3 * bulk / math.sqrt(2 * math.pi)


def _check(density: float) -> None:
    if not 0 < density <= 1:
        raise ValueError(f"density is the kept fraction and lies in (0, 1], got {density}")
