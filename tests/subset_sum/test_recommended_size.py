import numpy as np
import pytest

from tombola.subset_sum import failure_probability, nearest, recommended_size


def test_is_the_smallest_size_that_does():
    n = recommended_size(0.01, 500, failure=0.05)
    assert 1 - (1 - failure_probability(n, 0.01)) ** 500 <= 0.05
    assert 1 - (1 - failure_probability(n - 1, 0.01)) ** 500 > 0.05


def test_layers_of_that_size_fail_about_as_often():
    """A layer of 100 weights, asked to fail once in five: of 400 layers 80 +- 8 (1 sd) fail if the law is right."""
    n = recommended_size(0.01, 100, failure=0.2)
    random = np.random.default_rng(3)
    errors = nearest(random.uniform(-1, 1, (40_000, n)), random.uniform(-1, 1, 40_000)).error
    layers = (errors.reshape(400, 100) > 0.01).any(1).mean()
    assert 0.05 < layers < 0.25


def test_grows_with_the_number_of_weights_and_the_accuracy():
    by_count = [recommended_size(0.01, count) for count in (1, 100, 10_000, 1_000_000)]
    by_epsilon = [recommended_size(epsilon, 100) for epsilon in (0.1, 0.01, 0.001)]
    assert by_count == sorted(set(by_count))
    assert by_epsilon == sorted(set(by_epsilon))


@pytest.mark.parametrize(("epsilon", "count", "failure"), [(0.0, 1, 0.1), (0.1, 0, 0.1), (0.1, 1, 0.0), (0.1, 1, 1.0)])
def test_bad_input_is_refused(epsilon, count, failure):
    with pytest.raises(ValueError, match="epsilon must be in"):
        recommended_size(epsilon, count, failure=failure)
