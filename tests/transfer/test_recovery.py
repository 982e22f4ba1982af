import numpy as np
import pytest
from scipy import stats

from tombola.transfer import Arm, recovery

NATIVE, RANDOM = [0.05, 0.06, 0.07, 0.06, 0.05], [0.80, 0.82, 0.79, 0.81, 0.83]


def arms(carried, native=NATIVE, random=RANDOM, density=0.07):
    return Arm(carried, density), Arm(native, density), Arm(random, density)


def test_the_ends_of_the_scale():
    assert recovery(*arms(NATIVE)).value == pytest.approx(1.0)
    assert recovery(*arms(RANDOM)).value == pytest.approx(0.0)
    assert recovery(*arms(NATIVE)).gap == 0.0
    assert recovery(*arms([error - 0.01 for error in NATIVE])).value > 1


def test_worked_by_hand():
    found = recovery(*arms([0.2, 0.4], [0.1, 0.1], [0.5, 0.7]))
    assert found.value == pytest.approx((0.3 + 0.3) / (0.4 + 0.6))
    assert found.gap == pytest.approx(0.2)
    assert found.room == pytest.approx(0.5)
    reach = stats.t.ppf(0.975, 1) * np.std([0.1, 0.3], ddof=1) / np.sqrt(2)
    assert (found.gap_low, found.gap_high) == pytest.approx((0.2 - reach, 0.2 + reach))


def test_the_gap_is_paired_over_seeds():
    carried = [error + 0.1 for error in [0.05, 0.25, 0.15]]
    found = recovery(*arms(carried, [0.05, 0.25, 0.15], [0.8, 0.8, 0.8]))
    assert found.gap_high - found.gap_low < 1e-12
    assert recovery(*arms(carried, [0.25, 0.15, 0.05], [0.8, 0.8, 0.8])).gap_high > 0.3


def test_intervals_cover_what_they_should():
    draw, hits = np.random.default_rng(0), np.zeros(2)
    for _ in range(1000):
        level = draw.normal(0, 0.02, 5)
        errors = [np.clip(mean + level + draw.normal(0, 0.01, 5), 0, 1) for mean in (0.25, 0.1, 0.7)]
        found = recovery(*(Arm(list(map(float, one)), 0.1) for one in errors))
        hits += found.low <= 0.75 <= found.high, found.gap_low <= 0.15 <= found.gap_high
    assert (hits > 930).all()
    assert (hits < 970).all()


@pytest.mark.parametrize(
    ("three", "words"),
    [
        (arms(NATIVE, random=[error + 0.05 for error in NATIVE]), "5.0 points only"),
        (arms(NATIVE, random=[error - 0.02 for error in NATIVE]), "-2.0 points only"),
    ],
)
def test_no_recovery_where_random_masks_do_nearly_as_well(three, words):
    found = recovery(*three)
    assert found.value is None
    assert found.low is None
    assert found.gap == 0.0
    assert any(words in line for line in found.refusals)


def test_arms_that_do_not_fit_are_refused_in_words():
    other = recovery(Arm(NATIVE, 0.1), Arm(NATIVE, 0.07), Arm(RANDOM, 0.07))
    assert (other.value, other.gap, other.room) == (None, None, None)
    assert "densities 0.1, 0.07, 0.07" in other.refusals[0]
    assert "5, 4, 5 seeds" in recovery(*arms(NATIVE, NATIVE[1:])).refusals[0]
    assert "0, 0, 0 seeds" in recovery(*arms([], [], [])).refusals[0]
    assert recovery(Arm(NATIVE, 0.0701), Arm(NATIVE, 0.07), Arm(RANDOM, 0.07)).value == pytest.approx(1)


def test_one_seed_has_no_interval():
    found = recovery(*arms([0.2], [0.1], [0.6]))
    assert found.value == pytest.approx(0.8)
    assert (found.low, found.gap_high) == (None, None)
    assert found.refusals == ("one seed only: no intervals",)
    assert found.to_json()["recovery"] == {"value": pytest.approx(0.8), "low": None, "high": None}


def test_numbers_out_of_range():
    with pytest.raises(ValueError, match=r"errors lie in \[0, 1\]"):
        Arm([5.0], 0.1)
    with pytest.raises(ValueError, match="densities"):
        Arm([0.5], 0.0)
    with pytest.raises(ValueError, match="confidence"):
        recovery(*arms(NATIVE), confidence=1.0)
