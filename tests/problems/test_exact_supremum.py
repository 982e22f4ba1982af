import numpy as np
import pytest
from tests.problems.exact_supremum import output, supremum_over_ball, supremum_over_box


def small_networks(seed, *, size, units, outputs=1, biased=False):
    rng = np.random.default_rng(seed)
    networks = []
    for count in units:
        bias = (rng.standard_normal(count),) if biased else ()
        networks.append((rng.standard_normal((count, size)), *bias, rng.standard_normal((outputs, count))))
    return networks


def test_two_units_by_hand():
    first = (np.array([[3.0, 4.0]]), np.array([[1.0]]))
    second = (np.array([[0.0, 1.0]]), np.array([[1.0]]))
    # where both are active the difference is (3, 3) @ x; where only the first is, (3, 4) @ x with x_2 <= 0
    np.testing.assert_allclose(supremum_over_ball(first, second), np.sqrt(18.0), rtol=1e-12)
    np.testing.assert_allclose(supremum_over_ball(first, second, radius=2.0, nonnegative=True), 2 * np.sqrt(18.0))


def test_only_the_nonnegative_part_counts_where_asked():
    first, second = (np.array([[-1.0, 1.0]]), np.array([[2.0]])), (np.zeros((1, 2)), np.array([[1.0]]))
    np.testing.assert_allclose(supremum_over_ball(first, second), 2 * np.sqrt(2.0))
    np.testing.assert_allclose(supremum_over_ball(first, second, nonnegative=True), 2.0)


def test_a_corner_inside_the_box_by_hand():
    first, second = (
        (np.array([[1.0]]), np.array([0.0]), np.array([[1.0]])),
        (
            np.array([[2.0]]),
            np.array([-0.5]),
            np.array([[1.0]]),
        ),
    )
    # relu(x) - relu(2x - 1/2) rises to 1/4 at x = 1/4 and falls to -1/2 at x = 1
    np.testing.assert_allclose(supremum_over_box(first, second, np.array([-1.0]), np.array([0.5])), 0.25)
    np.testing.assert_allclose(supremum_over_box(first, second, np.array([-1.0]), np.array([1.0])), 0.5)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_no_sample_of_the_ball_exceeds_it_and_some_come_near(seed, nonnegative):
    first, second = small_networks(seed, size=2, units=(3, 4))
    angles = np.linspace(0, np.pi / 2 if nonnegative else 2 * np.pi, 200_001)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    sampled = np.abs(output(first, points) - output(second, points)).max()
    exact = supremum_over_ball(first, second, nonnegative=nonnegative)
    assert sampled <= exact * (1 + 1e-12)
    np.testing.assert_allclose(sampled, exact, rtol=1e-4)  # the angles are 3e-5 apart


@pytest.mark.parametrize("seed", range(4))
def test_no_sample_of_the_box_exceeds_it_and_some_come_near(seed):
    first, second = small_networks(seed, size=2, units=(3, 3), outputs=2, biased=True)
    low, high = np.array([-1.0, 0.2]), np.array([0.5, 1.4])
    sides = [np.linspace(a, b, 801) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
    sampled = np.linalg.norm(output(first, points) - output(second, points), axis=1).max()
    exact = supremum_over_box(first, second, low, high)
    assert sampled <= exact * (1 + 1e-12)
    np.testing.assert_allclose(sampled, exact, rtol=5e-3)
