import numpy as np
import pytest

from tombola.planting import path_probability, plant, relu_target
from tombola.random_source import Source

TRIALS = 250
DRAWS = 20_000


def test_three_neurons_by_hand():
    # one of one weight positive, then one of two
    assert path_probability([1, 2]) == 1 / 2 * 3 / 4


def can_plant(widths, seed):
    try:
        plant(relu_target(len(widths) + 2), widths, source=Source(seed))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("widths", [[1], [1, 3, 2]])
def test_planting_succeeds_as_often(widths):
    found = sum(can_plant(widths, seed) for seed in range(TRIALS)) / TRIALS
    wanted = path_probability(widths)
    assert abs(found - wanted) < 4 * (wanted * (1 - wanted) / TRIALS) ** 0.5


@pytest.mark.parametrize("widths", [[2, 2], [3, 3, 1], [4, 4, 4, 4]])
def test_a_matched_path_is_as_frequent_and_any_path_at_least(widths):
    rng = np.random.default_rng(0)
    matched, reached, place = np.ones(DRAWS, bool), np.ones((DRAWS, 1), bool), np.zeros(DRAWS, int)
    for width in widths:
        positive = rng.random((DRAWS, width, reached.shape[1])) < 0.5
        onward = positive[np.arange(DRAWS), :, place]
        matched, place = matched & onward.any(axis=1), onward.argmax(axis=1)
        reached = (positive & reached[:, None]).any(axis=2)
    wanted = path_probability(widths)
    deviation = (wanted * (1 - wanted) / DRAWS) ** 0.5
    assert abs(matched.mean() - wanted) < 4 * deviation
    assert reached.any(axis=1).mean() > wanted + 4 * deviation


def test_a_layer_without_neurons_is_refused():
    with pytest.raises(ValueError, match=r"widths must be positive, got \[3, 0\]"):
        path_probability([3, 0])
