"""The largest difference of two small one-hidden-layer ReLU networks over a ball or a box, found without a search.

The difference of the networks is linear wherever no hidden unit changes sign. Over a ball about the origin, without
biases, each such piece is a cone, and the largest value of `m @ x` on the part of a closed cone in the unit ball is the
norm of the projection of `m` onto it. Over a box the norm of the difference is largest at a corner of a piece.
"""

from itertools import combinations, product

import numpy as np
from scipy.optimize import nnls

MOST_UNITS = 8


def supremum_over_ball(first, second, *, radius=1.0, nonnegative=False):
    """`sup |f - g|` over a ball, for networks given as `(hidden (h, n), output (1, h))` without biases.

    All `2**h` joint patterns of activity are visited, `h` the hidden units of both.
    """
    rows = np.concatenate([first[0], second[0]])
    outputs = np.concatenate([first[1], -second[1]], axis=1)
    assert len(rows) <= MOST_UNITS
    assert len(outputs) == 1
    walls = np.eye(rows.shape[1])[: rows.shape[1] if nonnegative else 0]
    largest = 0.0
    for pattern in product((0, 1), repeat=len(rows)):
        active = np.array(pattern)
        slope = (outputs[0] * active) @ rows
        cone = np.concatenate([(2 * active - 1)[:, None] * rows, walls])
        largest = max(largest, *(np.linalg.norm(_projection(sign * slope, cone)) for sign in (1, -1)))
    return radius * largest


def _projection(vector, cone):
    """The point of `{x: cone @ x >= 0}` that is nearest to `vector`."""
    multipliers, _ = nnls(cone.T, -vector)
    return vector + cone.T @ multipliers


def supremum_over_box(first, second, low, high):
    """`sup ||f - g||` over a box, for networks `(hidden (h, n), bias (h,), output (k, h))`, `n <= 3`.

    All points where `n` of the planes of the units and of the faces of the box meet are visited.
    """
    size = len(low)
    rows = np.concatenate([first[0], second[0], np.eye(size), np.eye(size)])
    levels = np.concatenate([-first[1], -second[1], low, high])
    assert size <= 3
    assert len(first[1]) + len(second[1]) <= MOST_UNITS
    corners = []
    for chosen in map(list, combinations(range(len(rows)), size)):
        if abs(np.linalg.det(rows[chosen])) > 1e-12:
            corners.append(np.linalg.solve(rows[chosen], levels[chosen]))
    corners = np.array(corners)
    inside = (corners >= low - 1e-9).all(1) & (corners <= high + 1e-9).all(1)
    corners = np.clip(corners[inside], low, high)
    return float(np.linalg.norm(output(first, corners) - output(second, corners), axis=1).max())


def output(network, points):
    """The network's output `(count, k)` at `points`, `(count, n)`; with or without hidden biases."""
    hidden, *bias, last = network
    return np.maximum(points @ hidden.T + (bias[0] if bias else 0), 0) @ last.T
