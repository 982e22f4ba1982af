import numpy as np
import pytest
import torch
from tests.problems.exact_supremum import supremum_over_ball, supremum_over_box

from tombola.strong._attack import attack
from tombola.strong._effective import EffectiveLayer, output_errors, split_signs
from tombola.strong._input_sets import Ball, Box, Pinned


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def two_layers(seed, size, units, outputs=1, error=0.1):
    rng = np.random.default_rng(seed)
    weights = rng.standard_normal((units, size)), rng.standard_normal((outputs, units))
    return [EffectiveLayer(weight, weight + error * rng.standard_normal(weight.shape)) for weight in weights]


def test_a_linear_network_by_hand():
    layers = [EffectiveLayer(np.eye(2), np.diag([1.0, 3.0]))]
    found = attack(layers, Ball(2.0), generator=seeded())
    np.testing.assert_allclose(found.error, 4.0, rtol=1e-6)
    np.testing.assert_allclose(np.abs(found.point), [0.0, 2.0], atol=1e-2)


def test_the_two_signs_are_seen_apart():
    layers = [split_signs(np.eye(1), np.array([[1.25]]), np.array([[0.5]]))]
    found = attack(layers, Ball(), generator=seeded())
    np.testing.assert_allclose([found.error, *found.point], [0.5, -1.0])


@pytest.mark.parametrize("seed", range(8))
def test_nearly_the_exact_supremum_of_small_networks_over_a_ball(seed):
    layers = two_layers(seed, 4, 4)
    exact = supremum_over_ball(*[(layers[0].target, layers[1].target), (layers[0].ticket, layers[1].ticket)])
    found = attack(layers, Ball(), generator=seeded(seed))
    assert 0.98 * exact <= found.error <= exact * (1 + 1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_nearly_the_exact_supremum_of_small_networks_over_a_box(seed):
    layers = two_layers(seed, 3, 3, outputs=2)
    low, high = np.array([-1.0, 0.0, 0.2]), np.array([0.5, 1.0, 0.2])
    zeros = np.zeros(3)
    networks = [(layers[0].target, zeros, layers[1].target), (layers[0].ticket, zeros, layers[1].ticket)]
    exact = supremum_over_box(*networks, low, high)
    found = attack(layers, Box(low, high), generator=seeded(seed))
    assert 0.98 * exact <= found.error <= exact * (1 + 1e-12)


@pytest.mark.parametrize(
    "input_set",
    [
        Ball(0.5, nonnegative=True),
        Ball(2.0),
        Box(0, 1),
        Box([-1.0] * 5, [0.0, 1.0, 2.0, 3.0, -1.0]),
        Pinned(Ball(), 2.0),
    ],
)
def test_the_point_lies_in_the_set_and_has_the_error(input_set):
    layers = two_layers(1, 5, 6, outputs=3)
    found = attack(layers, input_set, generator=seeded(), steps=50)
    np.testing.assert_allclose(input_set.project(found.point[None])[0], found.point, atol=1e-14)
    np.testing.assert_allclose(output_errors(layers, found.point[None]), [found.error], rtol=1e-12)
    sampled = output_errors(layers, input_set.sample(10_000, 5, generator=seeded()))
    assert sampled.max() < found.error


def test_climbing_pays():
    layers = two_layers(2, 30, 40, outputs=5)
    errors = [attack(layers, Ball(), steps=steps, generator=seeded()).error for steps in (0, 5, 200)]
    assert errors[0] < errors[1] < errors[2]


def test_repeatable_and_working_without_gradients_around_it():
    layers = two_layers(3, 5, 6)
    first = attack(layers, Ball(), steps=20, generator=seeded(4))
    with torch.inference_mode():
        again = attack(layers, Ball(), steps=20, generator=seeded(4))
    assert first.error == again.error
    np.testing.assert_array_equal(first.point, again.point)


def test_equal_networks_have_no_error():
    layers = two_layers(5, 4, 3, error=0.0)
    assert attack(layers, Ball(), steps=5, generator=seeded()).error == 0.0


def test_biases_count():
    layers = [EffectiveLayer(np.eye(1), np.eye(1), np.array([1.0]), np.array([1.5]))]
    np.testing.assert_allclose(attack(layers, Ball(0.0), generator=seeded()).error, 0.5)


def test_a_set_of_another_size_is_refused():
    with pytest.raises(ValueError, match="2 coordinates, and the network takes 4"):
        attack(two_layers(0, 4, 3), Box([0.0, 0.0], [1.0, 1.0]), generator=seeded())
