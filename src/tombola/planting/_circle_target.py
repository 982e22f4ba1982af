"""Four classes bounded by circles, told apart by a network that folds the plane before it squares."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from ._chain import Layer, chain, check_depth
from ._knots import directions, outer_weights

BOUNDARIES = (0.2, 0.5, 0.7)  # squared radii between the classes
SLOPES = (5.0, 10.0, 20.0, 40.0)  # of the class scores in the squared radius
KNOTS = 10  # per coordinate, as long as both have the same range
FEWEST = 3  # knots of a coordinate: the two ends and one between them


def circle_target(depth: int) -> nn.Sequential:
    """Class scores `(batch, 4)` of points `(batch, 2)` by their squared radius, as a sparse ReLU network [Fischer2022].

    Classes are bounded by the squared radii .2, .5 and .7. The network folds the plane onto its first quadrant, then
    onto ever narrower cones about the first axis, squares both coordinates (piecewise linear, by chords) and turns
    their sum g into scores `5 g, 10 g - 1, ...` that cross at the bounds. A fold narrows the range of the second
    coordinate, whose square then needs half the knots; those it gives up go to the first coordinate. The published
    description does not say how knots are shared; this rule agrees with the published sizes.

    Exact up to the chords, which overestimate a square by at most a quarter of the squared spacing: accuracy on
    uniform points of [-1, 1]^2 is .960, .990, .985 and .998 at depths 3, 5, 6 and 10.

    Args:
        depth: layers of neurons, input and output included. 3 has no folds, 4 and 5 the two mirrors, each further
            layer one more fold.

    Raises:
        ValueError: if the depth is below 3.

    Example:
        >>> import torch
        >>> net = circle_target(6)
        >>> net(torch.tensor([[0.1, 0.2], [-0.5, 0.4], [0.0, -0.8], [0.9, 0.9]])).argmax(dim=1).tolist()
        [0, 1, 2, 3]
        >>> sum(int((p != 0).sum()) for p in net.parameters())  # 119 weights and 22 biases
        141
    """
    check_depth("circle_target", depth)
    folds, low = max(0, depth - 5), -1.0 if depth == 3 else 0.0
    layers, coordinates = _folds(depth)
    second = max(FEWEST, math.ceil(KNOTS / 2**folds))
    knots = (
        np.linspace(low, 1.0, 2 * KNOTS - second),
        np.linspace(low, math.sin(math.pi / 2 ** (folds + 1)), second),
    )
    return chain([*layers, _units(coordinates, knots), _scores(knots)])


def score_offsets() -> np.ndarray:
    """What is added to `SLOPES * g` so that neighbouring scores cross at the bounds, `(4,)`."""
    return -np.concatenate([[0.0], np.cumsum(np.diff(SLOPES) * BOUNDARIES)])


def _folds(depth: int) -> tuple[list[Layer], np.ndarray]:
    """The folding layers, and the two coordinates `(2, neurons)` as sums of the neurons of the last of them."""
    if depth == 3:
        return [], np.eye(2)
    layers: list[Layer] = [(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), np.zeros(4))]
    coordinates = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])
    if depth >= 5:
        layers.append((coordinates, np.zeros(2)))
        coordinates = np.eye(2)
    for fold in range(2, depth - 3):
        cosine, sine = math.cos(math.pi / 2**fold), math.sin(math.pi / 2**fold)
        turn = np.array([[cosine, sine], [-sine, cosine], [sine, -cosine]])
        layers.append((turn @ coordinates, np.zeros(3)))
        coordinates = np.array([[1.0, 0, 0], [0, 1, 1]])
    return layers, coordinates


def _units(coordinates: np.ndarray, knots: tuple[np.ndarray, ...]) -> Layer:
    """One unit per knot of each coordinate."""
    sides = [directions(points.size) for points in knots]
    weight = np.concatenate([np.outer(side, row) for side, row in zip(sides, coordinates, strict=True)])
    return weight, -np.concatenate([side * points for side, points in zip(sides, knots, strict=True)])


def _scores(knots: tuple[np.ndarray, ...]) -> Layer:
    """The class scores from the units."""
    squares = [outer_weights(points, np.append(points, 2 * points[-1] - points[-2]) ** 2) for points in knots]
    square, constant = np.concatenate([weights for weights, _ in squares]), sum(each for _, each in squares)
    slopes = np.array(SLOPES)
    return np.outer(slopes, square), slopes * constant + score_offsets()
