"""From random words to values: accuracy, symmetry, and the same bits in each of the three implementations."""

import math

import numpy as np
import pytest
import torch
from scipy.special import ndtri

from tombola._reference import _quantile, reference_values
from tombola.random_source import LogUniform, Normal, SignedConstant, Uniform
from tombola.random_source._laws import natural_log
from tombola.random_source._torch import _normal_quantile, values_on_device
from tombola.random_source._transform import fill_values, normal_quantile, stable_exp, stable_log, stable_root

LAWS = [
    Uniform(1.0),
    Uniform(0.3),
    Uniform(2.0**-100),
    Normal(1.0),
    Normal(0.0357),
    Normal(2.0**100),
    SignedConstant(0.1),
    LogUniform(0.01, 1.0),
    LogUniform(2.0**-100, 2.0**100),
]
ENDS = [0, 1, 2, 255, 256, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 257, 2**32 - 2, 2**32 - 1]
WORDS = np.concatenate([ENDS, np.random.default_rng(0).integers(0, 2**32, 200_000)]).astype(np.int64)
TAILS = np.concatenate(
    [np.arange(4000), 2**32 - 1 - np.arange(4000), (0.075 * 2**32 + np.arange(-2000, 2000)).astype(int)]
)


def compiled(words, law):
    values = np.empty(words.size, np.float32)
    fill_values(words.astype(np.uint32), law.code, *law.parameters, values)
    return values


def bits(values):
    return np.asarray(values).view(np.uint32)


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("words", [WORDS, TAILS], ids=["random and ends", "tails and joints"])
def test_the_three_implementations_give_the_same_bits(law, words):
    ours = compiled(words, law)
    np.testing.assert_array_equal(bits(values_on_device(torch.from_numpy(words), law)), bits(ours))
    np.testing.assert_array_equal(bits(reference_values(words.astype(np.uint64), law)), bits(ours))


@pytest.mark.gpu
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_a_gpu_gives_the_same_bits(law):
    found = values_on_device(torch.from_numpy(WORDS).cuda(), law).cpu()
    np.testing.assert_array_equal(bits(found), bits(compiled(WORDS, law)))


def test_the_normal_quantile_has_the_same_bits_in_float64_already():
    words = np.concatenate([WORDS[:20_000], TAILS])
    ours = np.array([normal_quantile(word) for word in words.tolist()])
    np.testing.assert_array_equal(_normal_quantile(torch.from_numpy(words)).numpy(), ours)
    np.testing.assert_array_equal(_quantile((words + 0.5) / 2**32), ours)


def test_uniform_values_by_hand():
    words = np.array([0, 255, 256, 2**31 - 1, 2**31, 2**32 - 1])
    odd = np.array([1 - 2**24, 1 - 2**24, 3 - 2**24, -1, 1, 2**24 - 1])
    np.testing.assert_array_equal(compiled(words, Uniform(2.0)), (odd * 2.0**-23).astype(np.float32))


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_values_are_symmetric_and_never_zero(law):
    flipped = 2**31 if isinstance(law, SignedConstant | LogUniform) else 2**32 - 1
    np.testing.assert_array_equal(compiled(WORDS ^ flipped, law), -compiled(WORDS, law))
    assert (compiled(WORDS, law) != 0).all()


@pytest.mark.parametrize("half_width", [1.0, 0.3, 1 + 2.0**-23, 1 - 2.0**-24, 0.7])
def test_uniform_values_stay_inside_the_open_interval(half_width):
    assert np.abs(compiled(np.array([0, 2**32 - 1]), Uniform(half_width))).max() < half_width


def test_the_normal_quantile_is_that_of_scipy():
    words = np.concatenate([WORDS[:20_000], TAILS])
    found = np.array([normal_quantile(word) for word in words.tolist()])
    wanted = np.where(words < 2**31, ndtri((words + 0.5) / 2**32), -ndtri((2**32 - 1 - words + 0.5) / 2**32))
    np.testing.assert_allclose(found, wanted, rtol=1e-14, atol=1e-16)


def test_no_normal_value_is_larger_than_the_docstring_says():
    assert 6.3 < np.abs(compiled(np.array(ENDS), Normal(1.0))).max() < 6.4


@pytest.mark.parametrize(("low", "high"), [(0.01, 1.0), (1.0, 8.0), (2.0**-100, 2.0**100)])
def test_log_uniform_magnitudes_run_from_end_to_end(low, high):
    magnitudes = np.abs(compiled(np.array([2**31 - 1, 2**32 - 1, 0, 2**31, *WORDS]), LogUniform(low, high)))
    np.testing.assert_allclose(magnitudes[:4], [high, high, low, low], rtol=2e-7)
    assert np.float32(low) <= magnitudes.min() <= magnitudes.max() <= np.float32(high)


@pytest.mark.parametrize("function", [natural_log, stable_log])
def test_logarithms_are_within_four_units_in_the_last_place(function):
    points = np.concatenate([10 ** np.random.default_rng(0).uniform(-30, 30, 5000), 1 + np.linspace(-0.4, 0.6, 2001)])
    points = np.append(points[points != 1], [5e-324, 1.7e308, math.sqrt(0.5), 2.0**-34])
    for x in points.tolist():
        assert abs(function(x) - math.log(x)) < 4 * math.ulp(math.log(x)), x
    assert function(1.0) == 0.0


def test_the_exponential_is_within_two_units_in_the_last_place():
    for y in np.random.default_rng(0).uniform(-1, 140, 5000).tolist():
        assert abs(stable_exp(y) - math.exp(y)) <= 2 * math.ulp(math.exp(y)) + abs(y) * 1e-19, y
    assert stable_exp(0.0) == 1.0


def test_the_root_is_within_two_units_in_the_last_place_where_it_is_used():
    for x in np.linspace(2, 25, 5001).tolist():
        assert abs(stable_root(x) - math.sqrt(x)) <= 2 * math.ulp(math.sqrt(x)), x
