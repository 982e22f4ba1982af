"""Functions of one variable, piecewise linear between knots, as one hidden layer of ReLU units."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64


def directions(count: int) -> Float64[np.ndarray, " count"]:
    """The side to which each of the knots' units is active: right (1) and left (-1) in turn; the last always left.

    Turning a unit round changes no function that they span, as long as the first looks right; and between the first
    and the last knot none is idle.
    """
    sides = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    sides[-1] = -1.0
    return sides


def outer_weights(
    knots: Float64[np.ndarray, " count"], values: Float64[np.ndarray, " count+1"]
) -> tuple[Float64[np.ndarray, " count"], float]:
    """Weights and constant with which the units `relu(directions * (x - knots))` interpolate a function.

    Args:
        knots: increasing and evenly spaced.
        values: of the function at the knots and one spacing behind the last. Between those points the interpolant is
            exact at the ends and linear, so it misses a function by at most spacing^2 max|f''| / 8.

    Returns:
        One weight per knot and the constant: `constant + sum(weights * relu(directions * (x - knots)))`, for x from
        the first knot on.
    """
    slopes = np.diff(values) / (knots[1] - knots[0])
    weights = np.concatenate([slopes[:1], np.diff(slopes)])
    turned = directions(knots.size) < 0
    # relu(x - t) = (x - t) + relu(t - x): the line goes to the first unit, which is active everywhere
    weights[0] += weights[turned].sum()
    constant = values[0] - float(weights[turned] @ (knots[turned] - knots[0]))
    return weights, constant
