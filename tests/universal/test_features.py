"""Features at speed: tables of straight pieces, and what they give at, beside and between their points."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tombola import Ticket
from tombola.strong import two_layer
from tombola.universal import Features, build, fourier, hats, orthogonal, polynomial
from tombola.universal._feature_kernels import additive_rows
from tombola.universal._features import IDENTITY, ROWS, Table, realised_steps
from tombola.universal._piecewise import PiecewiseLinear

FAMILIES = {
    "polynomial": lambda: polynomial(2, 3, tolerance=5e-3),
    "fourier": lambda: fourier(2, 1, tolerance=3e-2),
    "folded": lambda: fourier(1, 2, tolerance=3e-2, fold=True),
    "legendre": lambda: orthogonal(2, 2, kind="legendre", tolerance=2e-2),
    "hats": lambda: hats(3, 3),
}
families = pytest.mark.parametrize("name", FAMILIES)
SEEDS = range(8)


@cache
def ticket(name: str) -> Ticket:
    return build(FAMILIES[name](), seed=2, construction=two_layer if name == "hats" else None)


@cache
def features(name: str) -> Features:
    return Features.of(ticket(name))


def random_table(seed: int, *, high: float = 1.0, top: float = 1.0, short: float = 0.1) -> Table:
    """A broken line from `[0, high]` to `[0, top]`, with a piece that is flat and one as short as is said."""
    random = np.random.default_rng(seed)
    points = np.linspace(0, high, 14)
    points[1:-1] += random.uniform(-0.02, 0.02, 12) * high
    points = np.insert(points, 4, points[3] + short * (points[4] - points[3]))
    values = random.uniform(0, top, points.size)
    values[6] = values[5]
    return Table(points, values)


def looked_up(table: Table, x: np.ndarray) -> np.ndarray:
    out = np.empty((x.size, 1))
    additive_rows(np.ascontiguousarray(x[:, None]), table.lookup(), 0, out)
    return out[:, 0]


def beside(points: np.ndarray) -> np.ndarray:
    """Points, the numbers next to them, and the ends."""
    near = np.concatenate([points, np.nextafter(points, -np.inf), np.nextafter(points, np.inf)])
    return np.clip(near, points[0], points[-1])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lookup_at_its_points_is_the_value_there(seed):
    table = random_table(seed)
    found = looked_up(table, table.points)
    np.testing.assert_allclose(found, table.values, rtol=0, atol=1e-14)
    assert found[0] == table.values[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("high", [1.0, 7.3, 1e-3])
@pytest.mark.parametrize("short", [0.1, 1e-6])
def test_a_lookup_beside_and_between_its_points_is_a_straight_line(seed, high, short):
    table = random_table(seed, high=high, short=short)
    between = np.random.default_rng(seed).uniform(0, high, 5_000)
    x = np.concatenate([beside(table.points), between, [0.0, high]])
    wanted = np.interp(x, table.points, table.values)
    np.testing.assert_allclose(looked_up(table, x), wanted, rtol=0, atol=1e-13 / short)


def test_a_table_of_one_piece():
    table = Table(np.array([0.0, 2.0]), np.array([1.0, -3.0]))
    np.testing.assert_allclose(looked_up(table, np.array([0.0, 0.5, 2.0])), [1.0, 0.0, -3.0], rtol=0, atol=1e-15)


def test_crowded_points_are_all_found():
    """Fifty pieces in one cell of the grid."""
    points = np.concatenate([[0.0], 0.5 + 1e-6 * np.arange(50), [1.0]])
    table = Table(points, np.arange(52.0))
    np.testing.assert_allclose(looked_up(table, points), table.values, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_table_of_a_line_is_the_line(seed):
    random = np.random.default_rng(seed)
    inner, bias, outer = random.uniform(-1, 1, (3, 20))
    line = PiecewiseLinear(inner, bias, outer, 0.1, 0.0, 1.5, relu=bool(seed % 2))
    table, x = Table.of(line), np.linspace(0, 1.5, 5_001)
    np.testing.assert_allclose(np.interp(x, table.points, table.values), line(x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_table_after_another_is_their_composition(seed):
    first, second = random_table(seed, top=3.0), random_table(seed + 100, high=3.0)
    both = first.then(second)
    x = np.concatenate([np.random.default_rng(seed).uniform(0, 1, 5_000), beside(first.points), beside(both.points)])
    wanted = np.interp(np.interp(x, first.points, first.values), second.points, second.values)
    np.testing.assert_allclose(np.interp(x, both.points, both.values), wanted, rtol=0, atol=1e-11)
    assert (np.diff(both.points) > 0).all()
    assert both.points.size > first.points.size + second.points.size


def test_nothing_changes_before_or_after_the_identity():
    table = random_table(0)
    for both in (table.then(IDENTITY), IDENTITY.then(table)):
        np.testing.assert_allclose(both.points, table.points, rtol=0, atol=1e-15)
        np.testing.assert_allclose(both.values, table.values, rtol=0, atol=1e-15)


def test_a_flat_line_before_another_stays_flat():
    flat = Table(np.array([0.0, 1.0]), np.array([0.4, 0.4]))
    both = flat.then(random_table(1))
    np.testing.assert_array_equal(both.points, flat.points)
    assert both.values[0] == both.values[1]


@families
def test_features_are_those_of_the_steps_one_after_the_other(name):
    x = np.random.default_rng(1).uniform(size=(2_000, features(name).dimension))
    values = x
    for step in realised_steps(ticket(name)):
        if hasattr(step, "weight"):
            values = np.maximum(values @ step.weight.T + step.bias, 0)
        else:
            channels = [line(values.ravel()).reshape(values.shape) for line in step.functions]
            values = np.concatenate(channels, axis=1)
    np.testing.assert_allclose(features(name)(x), values, rtol=0, atol=1e-12)


@families
def test_threads_and_blocks_change_no_bit(name):
    x = np.random.default_rng(2).uniform(size=(2 * ROWS + 17, features(name).dimension))
    one = features(name)(x, threads=1)
    np.testing.assert_array_equal(one, features(name)(x, threads=2))
    np.testing.assert_array_equal(one, features(name)(x))
    np.testing.assert_array_equal(one[ROWS - 2 : ROWS + 3], features(name)(x[ROWS - 2 : ROWS + 3]))


@families
def test_inputs_outside_of_the_box_are_moved_to_its_edge(name):
    x = np.random.default_rng(3).uniform(-1, 2, size=(500, features(name).dimension))
    np.testing.assert_array_equal(features(name)(x), features(name)(np.clip(x, 0, 1)))


@families
def test_inputs_are_left_as_they_are_in_any_memory_order(name):
    x = np.random.default_rng(4).uniform(-0.5, 1.5, size=(100, features(name).dimension))
    before, wanted = x.copy(), features(name)(x)
    np.testing.assert_array_equal(x, before)
    np.testing.assert_array_equal(features(name)(np.asfortranarray(x)), wanted)
    np.testing.assert_array_equal(features(name)(np.repeat(x, 2, axis=0)[::2]), wanted)


@families
def test_no_rows_are_no_features(name):
    found = features(name)(np.empty((0, features(name).dimension)))
    assert found.shape == (0, features(name).count)
    assert found.dtype == np.float64


@families
@pytest.mark.parametrize("shape", [(3,), (3, 0), (3, 9), (), (2, 2, 2)])
def test_another_number_of_columns_is_refused(name, shape):
    with pytest.raises(ValueError, match=rf"inputs are \(n, {features(name).dimension}\), got"):
        features(name)(np.zeros(shape))


@families
def test_no_threads_are_refused(name):
    with pytest.raises(ValueError, match="threads must be at least 1"):
        features(name)(np.zeros((1, features(name).dimension)), threads=0)
