import json

import numpy as np
import pytest
from scipy import stats

from tombola.random_source import LogUniform, Normal, SignedConstant, Source, Uniform, law_from_json, law_to_json

LEVEL = 1e-3  # of the Kolmogorov-Smirnov tests; the seed is fixed, so a pass is a pass for ever
DISTRIBUTIONS = [
    (Uniform(0.5), stats.uniform(-0.5, 1.0).cdf),
    (Normal(2.0), stats.norm(0.0, 2.0).cdf),
    (LogUniform(0.01, 1.0), lambda x: 0.5 + np.sign(x) * stats.loguniform(0.01, 1.0).cdf(np.abs(x)) / 2),
]


@pytest.mark.parametrize(("law", "distribution"), DISTRIBUTIONS, ids=lambda part: str(part)[:20])
@pytest.mark.parametrize("seed", range(3))
def test_values_follow_their_law(law, distribution, seed):
    values = Source(seed).block("w", law, range(200), range(200)).ravel().astype(np.float64)
    assert stats.kstest(values, distribution).pvalue > LEVEL


@pytest.mark.parametrize("law", [Uniform(), Normal(), SignedConstant(), LogUniform(0.1)], ids=str)
def test_signs_of_neighbours_are_independent(law):
    """In 40,000 fair coins a share further than 0.0083 from one half has a probability below 1e-3."""
    signs = Source(0).block("w", law, range(200), range(201)) > 0
    for same in (signs[:, 1:] == signs[:, :-1], signs[1:] == signs[:-1], signs[:, 4:] == signs[:, :-4], signs):
        assert abs(same.mean() - 0.5) < 0.0083


def test_signed_constants_have_one_magnitude():
    values = Source(1).block("w", SignedConstant(0.1), range(9), range(9))
    assert set(np.unique(values).tolist()) == {float(np.float32(0.1)), -float(np.float32(0.1))}


@pytest.mark.parametrize("law", [Uniform(0.1), Normal(3.0), SignedConstant(1 / 3), LogUniform(0.25, 0.75)], ids=str)
def test_a_law_survives_json(law):
    assert law_from_json(json.loads(json.dumps(law_to_json(law)))) == law


def test_the_json_of_a_law_by_hand():
    assert law_to_json(Uniform(0.5)) == {"law": "uniform", "half_width": 0.5}


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"law": "cauchy"},
        {"law": None},
        {"law": ["uniform"]},
        {"law": "uniform"},
        {"law": "uniform", "half_width": "0.5"},
        {"law": "uniform", "half_width": True},
        {"law": "uniform", "half_width": [0.5]},
        {"law": "uniform", "half_width": 0.5, "std": 1.0},
        {"law": "uniform", "std": 1.0},
        {"law": "normal", "std": -1.0},
        {"law": "normal", "std": float("nan")},
        {"law": "log_uniform", "low": 1.0, "high": 0.5},
    ],
    ids=str,
)
def test_json_that_is_no_law_is_refused(record):
    with pytest.raises(ValueError, match=r"law|normal: std|log_uniform: low"):
        law_from_json(record)


@pytest.mark.parametrize("law", [Uniform, Normal, SignedConstant, LogUniform])
@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf"), 2.0**-101, 2.0**101])
def test_sizes_that_float32_cannot_hold_are_refused(law, size):
    with pytest.raises(ValueError, match=r"2\*\*-100 and 2\*\*100"):
        law(size)


def test_an_empty_range_is_refused():
    with pytest.raises(ValueError, match="low must be below high"):
        LogUniform(1.0, 1.0)
