import json
from itertools import product

import numpy as np
import pytest
import torch

from tombola.strong._input_sets import Ball, Box, Pinned, input_set_from_json

SIZE = 4
SETS = {
    "ball": Ball(1.5),
    "nonnegative ball": Ball(0.7, nonnegative=True),
    "box": Box(-0.5, 1.0),
    "nonnegative box": Box(0, 1),
    "uneven box": Box([-1.0, 0.0, 0.3, -0.2], [0.5, 0.0, 0.9, -0.1]),
    "pinned ball": Pinned(Ball(2.0), -0.5),
    "pinned nonnegative ball": Pinned(Ball(1.0, nonnegative=True), 1.0),
    "pinned box": Pinned(Box([-1.0, 0.0, 0.3], [0.5, 0.0, 0.9]), 2.0),
}
every_set = pytest.mark.parametrize("name", SETS)


def draw(input_set, generator, count=4000):
    """Points of the set, some of them on its edge."""
    inner = input_set.sample(count, SIZE, generator=generator)
    directions = torch.randn(count, SIZE, dtype=torch.float64, generator=generator).numpy()
    return np.concatenate([inner, input_set.farthest(directions), input_set.project(10 * directions)])


def is_inside(input_set, points):
    if isinstance(input_set, Pinned):
        return (points[:, -1] == input_set.value) & is_inside(input_set.inner, points[:, :-1])
    if isinstance(input_set, Box):
        low, high = input_set.bounds(points.shape[1])
        return ((points >= low) & (points <= high)).all(axis=1)
    signs = points >= 0 if input_set.nonnegative else np.ones_like(points, bool)
    return (np.linalg.norm(points, axis=1) <= input_set.radius) & signs.all(axis=1)


def test_a_ball_and_a_box_by_hand():
    assert Ball(2.0).bounds(2)[0].tolist() == [-2.0, -2.0]
    assert Box(0, [1.0, 3.0]).bounds(2)[1].tolist() == [1.0, 3.0]
    np.testing.assert_allclose(Ball().project(np.array([[3.0, -4.0]])), [[0.6, -0.8]])
    np.testing.assert_allclose(Ball(nonnegative=True).project(np.array([[3.0, -4.0]])), [[1.0, 0.0]])
    np.testing.assert_allclose(Box(0, 1).farthest(np.array([[3.0, -4.0]])), [[1.0, 0.0]])
    np.testing.assert_allclose(Box([-3.0, 0.0], [1.0, 4.0]).norm(2), 5.0)


@every_set
def test_samples_projections_and_farthest_points_lie_inside(name, generator):
    points = draw(SETS[name], generator)
    assert is_inside(SETS[name], points).all()
    low, high = SETS[name].bounds(SIZE)
    assert (points >= low).all()
    assert (points <= high).all()
    assert np.linalg.norm(points, axis=1).max() <= SETS[name].norm(SIZE)
    assert SETS[name].is_nonnegative() == bool((low >= 0).all())


@every_set
def test_a_projection_is_nearer_than_any_other_point(name, generator):
    inside = draw(SETS[name], generator, count=300)
    for point in 2 * torch.randn(20, SIZE, dtype=torch.float64, generator=generator).numpy():
        distance = np.linalg.norm(SETS[name].project(point[None]) - point)
        assert distance <= np.linalg.norm(inside - point, axis=1).min() + 1e-12


@every_set
def test_the_farthest_point_attains_the_largest_value_of_a_linear_map(name, generator):
    rows = torch.randn(50, SIZE, dtype=torch.float64, generator=generator).numpy()
    low, high = SETS[name].linear_range(rows)
    attained = [(SETS[name].farthest(sign * rows) * rows).sum(axis=1) for sign in (-1, 1)]
    np.testing.assert_allclose(low, attained[0], atol=1e-12)
    np.testing.assert_allclose(high, attained[1], atol=1e-12)
    values = draw(SETS[name], generator) @ rows.T
    assert (values >= low).all()
    assert (values <= high).all()


@every_set
def test_the_range_of_a_map_of_both_signs_is_never_left_and_attained(name, generator):
    input_set = SETS[name]
    positive, negative = torch.randn(2, 12, SIZE, dtype=torch.float64, generator=generator).numpy()
    ranges = input_set.linear_range(positive, negative)
    patterns = np.array(list(product((0.0, 1.0), repeat=SIZE)))
    sampled = draw(input_set, generator)
    for up, down, low, high in zip(positive, negative, *ranges, strict=True):
        slopes = np.where(patterns > 0, up, -down)  # of the linear pieces
        masked = (np.concatenate([slopes, -slopes])[:, None] * patterns).reshape(-1, SIZE)
        corners = input_set.farthest(masked)
        kinks = np.where(masked == 0, np.clip(0, *input_set.bounds(SIZE)), corners)
        points = np.concatenate([sampled, corners, kinks])
        values = np.maximum(points, 0) @ up + np.maximum(-points, 0) @ down
        assert low <= values.min()
        assert values.max() <= high
        np.testing.assert_allclose([low, high], [values.min(), values.max()], atol=1e-12)


@every_set
@pytest.mark.parametrize("signed", [False, True])
def test_generators_reach_every_input(name, signed, generator):
    points = draw(SETS[name], generator)
    lifted = np.concatenate([points, np.abs(points)], axis=1) if signed else points
    generators = SETS[name].generators(SIZE, signed=signed)
    moving = generators.moving
    np.testing.assert_allclose(lifted[:, ~moving], np.tile(generators.centre[~moving], (len(points), 1)))
    shares = (lifted - generators.centre)[:, moving] / generators.spread[moving]
    for group in np.unique(generators.group[moving]):
        assert np.linalg.norm(shares[:, generators.group[moving] == group], axis=1).max() <= 1 + 1e-12


@every_set
@pytest.mark.parametrize("signed", [False, True])
def test_weighted_columns_of_the_generators_bound_a_map(name, signed, generator):
    generators = SETS[name].generators(SIZE, signed=signed)
    points = draw(SETS[name], generator)
    lifted = np.concatenate([points, np.abs(points)], axis=1) if signed else points
    matrix = torch.randn(3, lifted.shape[1], dtype=torch.float64, generator=generator).numpy()
    columns, error = generators.columns(matrix)
    sizes, index = generators.sizes()
    weights = torch.rand(len(sizes), dtype=torch.float64, generator=generator).numpy() + 0.1
    weights[sizes == 0] = 0
    weights /= weights.sum()
    bound = np.linalg.norm(columns / np.sqrt(np.where(weights > 0, weights, 1.0))[index], 2)
    reached = np.linalg.norm(lifted @ matrix.T, axis=1).max()
    assert reached <= bound + error
    radius = generators.radius(generators.moving)
    centred = np.linalg.norm(lifted - generators.centre, axis=1).max()
    assert centred <= radius <= 2 * np.linalg.norm(generators.spread)


@every_set
def test_sets_survive_json(name):
    assert input_set_from_json(json.loads(json.dumps(SETS[name].to_json()))) == SETS[name]


def test_descriptions():
    assert Ball(nonnegative=True).describe() == "x >= 0, ||x|| <= 1"
    assert Ball(2.5).describe(784) == "||x|| <= 2.5"
    assert Box(0, 1).describe(784) == "[0, 1]^784"
    assert Box().describe() == "[0, 1]^n"
    assert Box(np.zeros(3), np.ones(3)).describe() == "[0, 1]^3"
    assert Box([0.0, -1.0], [1.0, 5.0]).describe() == "a box in [-1, 5]^2"
    assert Pinned(Box(0, 1), 1.0).describe(785) == "[0, 1]^784"


@pytest.mark.parametrize("radius", [-1.0, np.nan, np.inf])
def test_a_ball_of_no_radius_is_refused(radius):
    with pytest.raises(ValueError, match="radius"):
        Ball(radius)


@pytest.mark.parametrize(
    ("low", "high"), [(1.0, 0.0), ([0.0, 1.0], [0.0, 0.5]), (0.0, np.inf), ([0.0], [1.0, 1.0]), ([[0.0]], [[1.0]])]
)
def test_a_box_of_no_sense_is_refused(low, high):
    with pytest.raises(ValueError, match="box"):
        Box(np.asarray(low) if np.ndim(low) > 1 else low, np.asarray(high) if np.ndim(high) > 1 else high)


def test_a_box_of_another_size_is_refused():
    with pytest.raises(ValueError, match="2 coordinates, and the network takes 3"):
        Box([0.0, 0.0], [1.0, 1.0]).bounds(3)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "simplex"},
        {"kind": "ball", "radius": 1.0},
        {"kind": "ball", "radius": 1.0, "nonnegative": True, "colour": 3},
        {"kind": "pinned", "value": 1.0, "inner": Pinned(Ball()).to_json()},
    ],
)
def test_unknown_json_is_refused(data):
    with pytest.raises(ValueError, match="input set"):
        input_set_from_json(data)
