"""What is proved of features, and of what is read out of them."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from tombola.universal import FeatureCertificate

ERRORS = FeatureCertificate(np.array([0.1, 0.2, 0.05]))


def test_bound_is_the_largest_error():
    assert ERRORS.bound == 0.2


def test_read_out_by_hand():
    assert ERRORS.read_out(np.array([1.0, -2.0, 0.0])) == pytest.approx(0.5, rel=1e-14)
    found = ERRORS.read_out(np.array([[1.0, -2.0, 0.0], [0.0, 0.0, -4.0]]))
    np.testing.assert_allclose(found, [0.5, 0.2], rtol=1e-14)
    assert ERRORS.read_out(np.zeros(3)) == 0


@pytest.mark.parametrize("seed", range(20))
def test_read_out_is_never_below_the_exact_sum(seed):
    random = np.random.default_rng(seed)
    errors, weights = random.uniform(0, 1, 200), random.standard_normal(200) * 10.0 ** random.integers(-8, 8, 200)
    pairs = zip(errors.tolist(), weights.tolist(), strict=True)
    exact = sum(Fraction(error) * abs(Fraction(weight)) for error, weight in pairs)
    assert exact <= Fraction(float(FeatureCertificate(errors).read_out(weights))) <= exact * (1 + Fraction(1, 10**12))


def test_read_out_grows_with_the_coefficients():
    coefficients = np.random.default_rng(0).standard_normal((50, 3))
    np.testing.assert_allclose(ERRORS.read_out(2 * coefficients), 2 * ERRORS.read_out(-coefficients), rtol=1e-13)


@pytest.mark.parametrize("shape", [(), (2,), (4,), (3, 2), (1, 3, 3)])
def test_another_number_of_coefficients_is_refused(shape):
    with pytest.raises(ValueError, match=r"coefficients are wanted for 3 features, got shape"):
        ERRORS.read_out(np.ones(shape))


def test_it_comes_back_from_plain_data():
    data = json.loads(json.dumps(ERRORS.to_json()))
    assert data["guarantee"] == "exact"
    np.testing.assert_array_equal(FeatureCertificate.from_json(data, 3).errors, ERRORS.errors)


@pytest.mark.parametrize("errors", [[np.inf], [0.1, np.inf], [0.1, np.nan]])
def test_nothing_is_proved_where_one_error_is_unknown(errors):
    data = json.loads(json.dumps(FeatureCertificate(np.array(errors)).to_json()))
    assert data == {"guarantee": "none", "errors": []}
    assert FeatureCertificate.from_json(data, 2).errors.tolist() == [np.inf, np.inf]


def test_without_a_proof_any_read_out_may_be_anything():
    unproved = FeatureCertificate.from_json({"guarantee": "none", "errors": []}, 2)
    assert unproved.read_out(np.array([1.0, 0.0])) == np.inf
    assert unproved.read_out(np.zeros((3, 2))).tolist() == [np.inf] * 3
