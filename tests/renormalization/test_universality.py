"""Same, different, undecided; and how often each is right."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.problems.flows import planted

from tombola.renormalization import (
    difference,
    distance,
    drift,
    energy_test,
    equivalence,
    matching_distance,
    profile,
    universality,
)


def sample(random, seeds, groups, shift=0.0):
    """Vectors that sum to 0, of standard deviation about 1."""
    drawn = random.standard_normal((seeds, groups)) + shift
    return drawn - drawn.mean(axis=1, keepdims=True)


def test_the_size_of_the_test_is_what_it_says():
    """Nominal 5 %, over 200 pairs of sets of one law whose coordinates sum to 0."""
    random, found = np.random.default_rng(0), 0
    for _ in range(200):
        found += difference(sample(random, 8, 3), sample(random, 8, 3), splits=400).p_value <= 0.05
    assert 0.02 <= found / 200 <= 0.09


def test_a_shift_of_two_standard_deviations_is_found():
    """In one of three coordinates that are free, with eight seeds of each."""
    random, found = np.random.default_rng(0), 0
    for _ in range(200):
        a, b = random.standard_normal((8, 3)), random.standard_normal((8, 3)) + np.array([2.0, 0.0, 0.0])
        found += difference(a, b, splits=400).p_value <= 0.05
    assert found / 200 >= 0.8


def test_few_seeds_are_enumerated():
    a, b = sample(np.random.default_rng(1), 4, 3), sample(np.random.default_rng(2), 5, 3)
    found = difference(a, b)
    assert (found.splits, found.exact) == (126, True)
    assert found.p_value * 126 == pytest.approx(round(found.p_value * 126))
    assert found.p_value >= 1 / 126
    assert not difference(sample(np.random.default_rng(1), 8, 3), sample(np.random.default_rng(2), 8, 3)).exact


def test_the_statistic_by_hand():
    """Two coordinates of opposite sign: the covariance within is that of one number."""
    a, b = np.array([[0.0, 0.0], [2.0, -2.0]]), np.array([[4.0, -4.0], [6.0, -6.0]])
    covariance = np.array([[2.0, -2.0], [-2.0, 2.0]])
    shrunk = 0.8 * covariance + 0.2 * 2 * np.eye(2)
    away = np.array([-4.0, 4.0])
    assert difference(a, b).statistic == pytest.approx(away @ np.linalg.solve(shrunk, away))
    assert difference(a, b).p_value == pytest.approx(2 / 6)


def test_the_distance_is_less_what_noise_adds():
    random, apart = np.random.default_rng(3), np.array([0.3, -0.3, 0.0])
    squares = []
    for _ in range(400):
        a, b = sample(random, 6, 3), sample(random, 6, 3, 10 * apart)
        squares.append(distance(a, b) ** 2)
    assert np.mean(squares) == pytest.approx((10 * apart) @ (10 * apart) / 3, rel=0.03)
    same = sample(random, 6, 3)
    assert distance(same, same) == 0


def test_intervals_of_all_differences_hold_together():
    """Nominal 90 % by a bootstrap of eight seeds."""
    random, hits = np.random.default_rng(4), []
    for simulation in range(300):
        found = equivalence(sample(random, 8, 3), sample(random, 8, 3), resamples=500, seed=simulation)
        hits.append(bool(((found.low <= 0) & (found.high >= 0)).all()))
    assert 0.86 < np.mean(hits) < 0.97


def exponents(rates, spread, seeds=8, offset=0, **settings):
    """Of planted flows whose rates scatter between seeds."""
    random, flows = np.random.default_rng(offset), []
    for _ in range(seeds):
        scatter = spread * random.standard_normal(len(rates))
        flows.append(planted(np.array(rates) + scatter - scatter.mean(), **settings))
    return drift(flows, window=(2, 12))


@pytest.mark.parametrize(
    ("rates", "spread", "verdict"),
    [
        ([0.3, -0.3, 0.0], 0.01, "same"),
        ([0.4, -0.4, 0.0], 0.01, "different"),
        ([0.31, -0.31, 0.0], 0.08, "undecided"),
    ],
)
def test_three_verdicts(rates, spread, verdict):
    found = universality(exponents([0.3, -0.3, 0.0], spread), exponents(rates, spread, offset=1))
    assert found.verdict == verdict
    assert found.refusals == ()
    assert list(found.to_json()["differences"]) == ["g0", "g1", "g2"]


def test_networks_of_different_depth_over_relative_depth():
    """Both profiles fall on one line."""
    deep = exponents(np.linspace(0.4, -0.4, 9), 0.01)
    flat = exponents(np.linspace(0.4, -0.4, 5), 0.01, offset=1)
    assert universality(deep, flat).refusals[-1].startswith("the settings have different groups")
    assert universality(deep, flat).to_json()["p_value"] is None
    found = universality(deep, flat, points=5)
    assert found.verdict == "same"
    assert found.places == ("depth 0", "depth 0.25", "depth 0.5", "depth 0.75", "depth 1")
    other = exponents(np.linspace(-0.4, 0.4, 5), 0.01, offset=2)
    assert universality(deep, other, points=5).verdict == "different"


def test_one_seed_nothing_and_few_seeds_in_words():
    one, some = exponents([0.1, -0.1], 0.01, seeds=1), exponents([0.1, -0.1], 0.01, seeds=4)
    found = universality(one, some)
    assert (found.verdict, found.distance) == ("undecided", None)
    assert found.refusals[-1].startswith("one seed of a setting only")
    assert universality(some, some).refusals == ("fewer than 8 seeds of a setting: differences may well be missed",)
    nothing = drift([planted([0, 0]), planted([0, 0, 0])])
    assert universality(nothing, some).refusals[-1] == "a setting has no exponents; nothing to compare"


def test_windows_of_other_densities_are_said():
    other = drift([planted([0.1, -0.1])] * 8, window=(2, 8))
    found = universality(exponents([0.1, -0.1], 0.01), other)
    assert "different densities, 0.64 to 0.0687 and 0.64 to 0.168" in found.refusals[-1]


def test_matching_is_the_best_of_all_matchings():
    random = np.random.default_rng(5)
    for complex_part in (0, 1j):
        a, b = (random.standard_normal(4) + complex_part * random.standard_normal(4) for _ in range(2))
        best = min(np.abs(a - b[list(order)]).mean() for order in permutations(range(4)))
        assert matching_distance(a, b) == pytest.approx(best)
        assert matching_distance(a, b) == pytest.approx(matching_distance(b, a))
    assert_allclose(matching_distance(np.repeat(a, 3), b), matching_distance(a, b))


def energy_rejections(shift, count=200):
    random, found = np.random.default_rng(6), 0
    for _ in range(count):
        a, b = random.standard_normal((8, 3)), random.standard_normal((8, 3)) + shift
        found += energy_test(a, b, splits=300).p_value <= 0.05
    return found / count


def test_the_energy_test_has_its_size_and_power():
    assert 0.02 <= energy_rejections(np.zeros(3), 100) <= 0.09
    assert energy_rejections(np.array([2.0, 0, 0]), 40) >= 0.8


def test_sets_that_do_not_fit():
    with pytest.raises(ValueError, match="at least two seeds, got"):
        distance(np.zeros((1, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="at least two seeds of each"):
        energy_test(np.zeros((1, 3)), np.zeros((4, 3)))
    with pytest.raises(ValueError, match="margin is above 0"):
        equivalence(np.zeros((2, 3)), np.zeros((4, 3)), margin=0.0)
    with pytest.raises(ValueError, match="two groups and two points"):
        profile(np.zeros((2, 1)), 3)
