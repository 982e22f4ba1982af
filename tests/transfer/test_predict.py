import json
from dataclasses import replace

import numpy as np
import pytest

from tombola.renormalization import gaussian_null, window_of
from tombola.transfer import Frequencies, Rule, ZeroShot, predict_transfer

SIZES = {"a": 4000, "b": 8000, "c": 2000}
KEPT = [int(14000 * 0.8**k) for k in range(9)]
WINDOW = (0, 8)
FINE, BAD = ZeroShot(0.9, 0.9, False), ZeroShot(1.0, 0.9, True)


def flows(scale, seeds=8, seed=0):
    """Runs of a task; the farther `scale` is from 1, the stronger the task's signal."""
    draw = np.random.default_rng(seed)
    return [
        gaussian_null(KEPT, SIZES, {"a": scale * (1 + 0.005 * draw.normal()), "b": 0.7, "c": 0.9}) for _ in range(seeds)
    ]


NULL = [gaussian_null(KEPT, SIZES, {"a": 1.0, "b": 0.7, "c": 0.9})]
WEAK, MIDDLE, STRONG = flows(1.05), flows(2.0), flows(2.6)


def predicted(source, target, **options):
    return predict_transfer(source, target, null_a=NULL, null_b=NULL, window=WINDOW, **options)


def signal(found, task="source"):
    return found.evidence["task_signals"][task]["value"]


def test_a_rich_source_is_said_to_transfer_and_a_poor_one_is_not():
    down, up = predicted(STRONG, MIDDLE, zero_shots=[FINE]), predicted(MIDDLE, STRONG, zero_shots=[FINE])
    assert signal(down) > signal(up) + 0.05 > 0.2
    assert (down.verdict, up.verdict) == ("transfers", "does not transfer")
    assert down.probability == pytest.approx(53 / 62)
    assert up.probability == pytest.approx(1 / 23)
    assert signal(down) == signal(up, "target")


def test_a_source_without_a_signal_is_not_said_to_transfer_even_to_itself():
    found = predicted(WEAK, WEAK, zero_shots=[FINE])
    assert signal(found) < 0.15
    assert found.verdict == "does not transfer"


def test_the_veto_of_most_seeds_counts():
    assert predicted(STRONG, STRONG, zero_shots=[BAD, BAD, FINE]).verdict == "does not transfer"
    found = predicted(STRONG, STRONG, zero_shots=[BAD, FINE, FINE])
    assert found.verdict == "transfers"
    assert found.evidence["zero_shot"]["error"] == pytest.approx(2.8 / 3)


def test_without_a_usable_zero_shot_error_the_veto_is_left_out():
    refused = replace(BAD, refusals=("the output layer is new",))
    for shots in ((), (refused,)):
        found = predicted(STRONG, STRONG, zero_shots=shots)
        assert found.verdict == "transfers"
        assert found.probability == pytest.approx(53 / 66)
        assert found.evidence["zero_shot"] is None
        assert any("veto is left out" in line for line in found.evidence["refusals"])


def test_classes_of_exponents_are_evidence():
    same = predicted(STRONG, flows(2.6, seed=1)).evidence["universality"]
    assert same["verdict"] == "same"
    assert predicted(STRONG, MIDDLE).evidence["universality"]["verdict"] == "different"


def test_thresholds_are_the_caller_s_to_change():
    rule = Rule(deficit=0.0, least_signal=0.0, frequencies=Frequencies(8, 8, 1, 2))
    found = predicted(WEAK, WEAK, zero_shots=[FINE], rule=rule)
    assert (found.verdict, found.probability) == ("transfers", 0.9)
    assert Rule().says(0.15, 0.19, is_vetoed=False)
    assert not Rule().says(0.15, 0.19, is_vetoed=True)
    assert not Rule().says(0.14, 0.1, is_vetoed=False)
    assert Frequencies(0, 0, 0, 0).probability(True) == 0.5


def test_the_counts_give_the_rates_that_are_said():
    counts, other = Rule().frequencies, Rule().without_veto
    for found, accuracy, precision in ((counts, 0.90, 0.87), (other, 0.85, 0.81)):
        assert found.yes + found.no == 81
        assert found.right / found.yes == pytest.approx(precision, abs=0.005)
        assert (found.right + found.no - found.missed) / 81 == pytest.approx(accuracy, abs=0.005)
        assert (found.right + found.missed) / 81 == pytest.approx(0.64, abs=0.005)


def test_other_groups_are_compared_over_depth_and_said_to_be_beyond_the_rule():
    sizes, deviations = {"x": 5000, "y": 5000, "z": 3000, "w": 1000}, {"x": 2.0, "y": 0.7, "z": 0.9, "w": 1.0}
    other = [gaussian_null(KEPT, sizes, deviations)] * 2
    found = predict_transfer(STRONG[:2], other, null_a=NULL, null_b=other, window=WINDOW)
    assert len(found.cannot_see) == 4
    assert "Masks of one do not fit the other" in found.cannot_see[3]
    assert len(predicted(STRONG, WEAK).cannot_see) == 3


def test_what_cannot_be_fitted_is_undecided_in_words():
    short = [gaussian_null(KEPT[:2], SIZES, {"a": 1.0, "b": 0.7, "c": 0.9})]
    found = predict_transfer(short, short, null_a=short, null_b=short)
    assert (found.verdict, found.probability) == ("undecided", None)
    assert any("levels" in line for line in found.evidence["refusals"])
    json.dumps(found.to_json(), allow_nan=False)


def test_one_seed_gives_a_verdict_and_says_that_it_is_one():
    found = predicted(STRONG[:1], MIDDLE[:1], zero_shots=[FINE])
    assert found.verdict == "transfers"
    assert found.evidence["universality"]["verdict"] == "undecided"
    assert any("one seed" in line for line in found.evidence["refusals"])


def test_plain_data_has_four_keys_and_no_nan():
    found = predicted(STRONG, MIDDLE, zero_shots=[FINE], skews=(1.0, -2.0)).to_json()
    assert set(found) == {"probability", "verdict", "evidence", "cannot_see"}
    json.dumps(found, allow_nan=False)
    assert found["evidence"]["sign_alignment"] == {"skews": [1.0, -2.0], "is_same_sign": False}


def test_a_window_of_all_runs_can_be_given():
    both = [*STRONG, *MIDDLE]
    given = predict_transfer(STRONG, MIDDLE, null_a=NULL, null_b=NULL, window=window_of(both, start=0, stop=8))
    assert signal(given) == signal(predicted(STRONG, MIDDLE))
    with pytest.raises(ValueError, match="of both tasks together"):
        predict_transfer(STRONG, MIDDLE, null_a=NULL, null_b=NULL, window=window_of(STRONG, start=0, stop=8))
    with pytest.raises(ValueError, match="no runs"):
        predicted([], STRONG)
