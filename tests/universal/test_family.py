"""Families of functions: their features, names and sizes, and the steps that compute them."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval
from numpy.polynomial.legendre import legval

from tombola.universal import (
    Family,
    Function,
    exponent_matrix,
    fourier,
    frequency_matrix,
    hats,
    named_family,
    orthogonal,
    polynomial,
    univariate,
)
from tombola.universal._family import checked, checked_tolerance, per_channel, split
from tombola.universal._step import Block, Linear

NOT_COUNTS = [0, -1, True, False]
NOT_TOLERANCES = [0.0, 2.0, 1.0001, 1e-7, -0.1, math.nan, math.inf]
SQUARE = Function("x^2", np.square, 0.0, 1.0, lambda low, high: np.full_like(low, 2.0))

ALL = {
    "polynomial": lambda dimension=2, **options: polynomial(dimension, 3, **options),
    "fourier": lambda dimension=2, **options: fourier(dimension, 2, **options),
    "folded": lambda dimension=2, **options: fourier(dimension, 2, fold=True, **options),
    "chebyshev": lambda dimension=2, **options: orthogonal(dimension, 3, **options),
    "legendre": lambda dimension=2, **options: orthogonal(dimension, 3, kind="legendre", **options),
    "hats": lambda dimension=2, **options: hats(dimension, 3, **options),
    "univariate": lambda dimension=2, **options: univariate([SQUARE], dimension=dimension, **options),
}
every = pytest.mark.parametrize("make", ALL.values(), ids=ALL.keys())


def box(dimension: int, count: int = 300) -> np.ndarray:
    corners = np.array(list(product([0.0, 1.0], repeat=dimension)))
    return np.concatenate([corners, np.random.default_rng(0).uniform(size=(count, dimension))])


@every
def test_sizes_names_and_values_agree(make):
    family, x = make(), box(2)
    names = family.label(["left", "right"])
    assert family.exact(x).shape == (len(x), family.features)
    assert family.exact(x).dtype == np.float64
    assert len(names) == len(set(names)) == family.features
    assert all("left" in name or "right" in name for name in names)
    assert np.unique(family.exact(x).round(9), axis=1).shape[1] == family.features


@every
def test_plain_data_names_what_was_asked_for(make):
    data = make(tolerance=0.02).to_json()
    assert (data["dimension"], data["tolerance"]) == (2, 0.02)
    assert data["features"] == make().features
    again = make(tolerance=0.02)
    assert again.to_json() == data


@every
def test_steps_are_a_network_of_the_right_kind(make):
    """Every Lipschitz constant that a proof needs is there, and only the last block may be negative."""
    family = make()
    linear = [index for index, step in enumerate(family.steps) if isinstance(step, Linear)]
    assert len(linear) <= 1
    for index, step in enumerate(family.steps):
        if isinstance(step, Block):
            assert step.relu == (index + 1 < len(family.steps))
            assert len(step.functions) == 1 or len(family.steps) == 1
            assert index == 0 or all(math.isfinite(function.lipschitz) for function in step.functions)
            assert all(function.low == 0 for function in step.functions)


@every
def test_what_flows_between_steps_is_never_negative_and_inside_the_next_interval(make):
    family, values = make(), box(2)
    for step in family.steps[:-1]:
        part = Family("part", values.shape[1], 0.1, {}, (step,), list)
        values = part.exact(values)
        assert values.min() >= -1e-12
    for function in family.steps[-1].functions:
        assert values.max() <= function.high + 1e-12


def test_polynomials_are_products_of_shifted_inputs():
    family, x = polynomial(3, 3), box(3)
    half = (1 + x) / 2
    expected = [np.prod(half**powers, axis=1) for powers in exponent_matrix(3, 3)]
    np.testing.assert_allclose(family.exact(x), np.transpose(expected), rtol=1e-13)
    assert family.features == math.comb(6, 3) - 1


def test_polynomials_span_plain_monomials_with_the_coefficients_that_they_say():
    x = np.linspace(0, 1, 50)[:, None]
    exact = polynomial(1, 4).exact(x)
    for m in range(1, 5):
        coefficients = [math.comb(m, j) * 2**j * (-1) ** (m - j) for j in range(m + 1)]
        found = coefficients[0] + exact[:, :m] @ coefficients[1:]
        np.testing.assert_allclose(found, x[:, 0] ** m, rtol=0, atol=1e-12)
        assert sum(map(abs, coefficients)) == 3**m


@pytest.mark.parametrize(("dimension", "degree"), [(1, 5), (2, 4), (4, 2), (20, 2)])
def test_exponents_are_all_of_them_once_by_degree(dimension, degree):
    found = exponent_matrix(dimension, degree)
    assert len({tuple(row) for row in found}) == len(found) == math.comb(dimension + degree, degree) - 1
    sums = found.sum(axis=1)
    assert (np.diff(sums) >= 0).all()
    assert (sums[0], sums[-1]) == (1, degree)


@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("period", [1.0, 2.0, 0.3, 7.5])
def test_fourier_features_are_sines_and_cosines(period, fold):
    family, x = fourier(2, 2, period=period, fold=fold), box(2)
    angles = 2 * np.pi * x @ frequency_matrix(2, 2).T / period
    expected = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(len(x), -1)
    np.testing.assert_allclose(family.exact(x), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("dimension", "frequency"), [(1, 4), (2, 2), (2, 3), (3, 2)])
def test_frequencies_are_one_of_each_pair(dimension, frequency):
    found = {tuple(row) for row in frequency_matrix(dimension, frequency).astype(int).tolist()}
    near = range(-frequency, frequency + 1)
    wanted = {n for n in product(near, repeat=dimension) if 0 < sum(map(abs, n)) <= frequency}
    assert found | {tuple(-one for one in n) for n in found} == wanted
    assert 2 * len(found) == len(wanted)


@pytest.mark.parametrize("period", [1.0, 0.11])
@pytest.mark.parametrize("frequency", range(1, 8))
def test_reflections_grow_with_the_logarithm_of_the_frequency(frequency, period):
    folds = [step for step in fourier(1, frequency, period=period, fold=True).steps if step.name.startswith("fold")]
    assert len(folds) <= math.ceil(math.log2(4 * (frequency / period + 1)))
    plain, folded = (fourier(1, frequency, period=period, fold=fold).steps[-1].functions[0] for fold in (False, True))
    assert folded.high < 0.6 <= plain.high


def test_names_of_waves_read_as_sums():
    assert fourier(2, 2).label(["a", "b"])[4:] == [
        "sin(2 pi (2 a))",
        "cos(2 pi (2 a))",
        "sin(2 pi (a + b))",
        "cos(2 pi (a + b))",
        "sin(2 pi (a - b))",
        "cos(2 pi (a - b))",
        "sin(2 pi (2 b))",
        "cos(2 pi (2 b))",
    ]
    assert fourier(1, 1, period=2.0).label(["a"]) == ["sin(2 pi a / 2)", "cos(2 pi a / 2)"]


def test_orthogonal_features_are_those_of_numpy():
    x = box(2)
    for kind, value in (("chebyshev", chebval), ("legendre", legval)):
        expected = [value(2 * x - 1, np.eye(4)[degree]) for degree in (1, 2, 3)]
        found = orthogonal(2, 3, kind=kind).exact(x)
        np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=0, atol=1e-13)


def test_hats_and_the_constant_span_all_broken_lines_with_their_knots():
    heights = np.random.default_rng(2).uniform(-1, 1, 6)
    x = np.linspace(0, 1, 101)
    found = heights[0] + hats(1, 5).exact(x[:, None]) @ (heights[1:] - heights[0])
    at_left = np.maximum(1 - 5 * x, 0)  # the hat that is left out
    sums = hats(1, 5).exact(x[:, None]).sum(axis=1) + at_left
    np.testing.assert_allclose(sums, 1.0, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found, np.interp(x, np.linspace(0, 1, 6), heights), rtol=0, atol=1e-13)


def test_own_functions_come_channel_by_channel():
    cube = Function("x^3", lambda x: x**3, 0.0, 1.0)
    family, x = univariate([SQUARE, cube], dimension=2), box(2)
    np.testing.assert_allclose(family.exact(x), np.concatenate([x**2, x**3], axis=1), rtol=1e-15)
    assert family.label(["a", "b"]) == ["x^2(a)", "x^2(b)", "x^3(a)", "x^3(b)"]


@every
@pytest.mark.parametrize("dimension", NOT_COUNTS)
def test_a_dimension_is_a_number_of_inputs(make, dimension):
    with pytest.raises(ValueError, match=r"dimension must be an integer of at least 1, got"):
        make(dimension=dimension)


@every
@pytest.mark.parametrize("tolerance", NOT_TOLERANCES)
def test_a_tolerance_lies_between_a_millionth_and_one(make, tolerance):
    with pytest.raises(ValueError, match=r"tolerance must lie between 1e-6 and 1, got"):
        make(tolerance=tolerance)


@pytest.mark.parametrize("value", [*NOT_COUNTS, 2.5, 2.0, "2", None, math.nan, np.bool_(True), np.float64(2)])
def test_what_is_no_whole_number_is_no_count(value):
    with pytest.raises(ValueError, match=r"degree must be an integer of at least 1, got"):
        checked("degree", value, 1)


@pytest.mark.parametrize("wrong", NOT_COUNTS)
def test_degrees_frequencies_and_knots_are_whole_numbers(wrong):
    for make, name in ((polynomial, "degree"), (fourier, "frequency"), (orthogonal, "degree"), (hats, "knots")):
        with pytest.raises(ValueError, match=rf"{name} must be an integer of at least \d, got"):
            make(2, wrong)


def test_a_single_knot_is_no_hat():
    with pytest.raises(ValueError, match=r"knots must be an integer of at least 2, got 1"):
        hats(1, 1)


@pytest.mark.parametrize("period", [0.0, -1.0, math.inf, math.nan])
def test_a_period_is_positive_and_finite(period):
    with pytest.raises(ValueError, match=r"period must be a positive finite number"):
        fourier(1, 1, period=period)


def test_unknown_kind_names_those_that_there_are():
    with pytest.raises(ValueError, match=r"kind must be one of chebyshev, legendre, got 'hermite'"):
        orthogonal(1, 2, kind="hermite")


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ([], r"functions must be at least one, with names of their own"),
        ([SQUARE, SQUARE], r"functions must be at least one, with names of their own"),
        ([Function("wide", np.square, 0.0, 2.0)], r"wide: functions are wanted on 0 to 1, got 0.0 to 2.0"),
        ([Function("root", lambda x: np.where(x < 0.5, np.nan, x), 0.0, 1.0)], r"root: it is not finite everywhere"),
    ],
)
def test_own_functions_are_checked(functions, message):
    with pytest.raises(ValueError, match=message):
        univariate(functions)


@pytest.mark.parametrize(
    ("name", "settings", "same"),
    [
        ("polynomial", {"degree": 3}, lambda: polynomial(2, 3)),
        ("fourier", {"frequency": 2, "period": 2.0, "fold": True}, lambda: fourier(2, 2, period=2.0, fold=True)),
        ("chebyshev", {"degree": 3}, lambda: orthogonal(2, 3)),
        ("legendre", {"degree": 3}, lambda: orthogonal(2, 3, kind="legendre")),
        ("hat", {"knots": 3}, lambda: hats(2, 3)),
    ],
)
def test_a_named_family_is_that_family(name, settings, same):
    family, x = named_family(name, 2, **settings), box(2)
    assert family.to_json() == same().to_json()
    assert family.name == name
    np.testing.assert_array_equal(family.exact(x), same().exact(x))
    assert named_family(name, 2, tolerance=0.05, **settings).tolerance == 0.05
    recorded = named_family(name, 2, **family.to_json()["settings"])
    assert recorded.to_json() == family.to_json()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("spline", {"knots": 3}, r"unknown family 'spline'; known are polynomial, fourier, chebyshev, legendre, hat"),
        ("hat", {}, r"the family 'hat' takes knots, got nothing"),
        ("hat", {"degree": 2}, r"the family 'hat' takes knots, got degree"),
        ("fourier", {"fold": True}, r"the family 'fourier' takes frequency, period, fold, got fold"),
    ],
)
def test_other_names_and_settings_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        named_family(name, 2, **settings)


@pytest.mark.parametrize("factors", [[1.0, 1.0], [4.0, 1.0], [1.0, 100.0]])
def test_split_costs_fewest_knots(factors):
    integrals = [0.7, 1.9]
    errors = split(0.01, integrals, factors)
    assert sum(f * e for f, e in zip(factors, errors, strict=True)) == pytest.approx(0.01, rel=1e-12)

    def knots(first):
        second = (0.01 - factors[0] * first) / factors[1]
        return integrals[0] / math.sqrt(first) + integrals[1] / math.sqrt(second)

    shares = np.linspace(0.01, 0.99, 99) * 0.01 / factors[0]
    assert knots(errors[0]) <= min(knots(share) for share in shares)


def test_numpy_integers_are_integers():
    assert checked("degree", np.int64(3), 1) == 3
    assert checked_tolerance(1.0) == 1.0
    assert per_channel([], ["a"]) == []
