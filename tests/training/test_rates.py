import math

import pytest

from tombola.training import constant, cosine, stepwise, warmed_up


def test_constant_is_one():
    assert {constant()(step) for step in (0, 1, 10**9)} == {1.0}


def test_stepwise_by_hand():
    rate = stepwise([10, 20], factor=0.5)
    assert [rate(step) for step in (0, 9, 10, 19, 20, 1000)] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]


def test_without_milestones_nothing_falls():
    assert {stepwise([])(step) for step in (0, 1000)} == {1.0}


def test_cosine_by_hand():
    rate = cosine(6)
    wanted = [1.0, 0.5 + math.sqrt(3) / 4, 0.75, 0.5, 0.25, 0.5 - math.sqrt(3) / 4, 0.0, 0.0, 0.0]
    assert [rate(step) for step in (*range(7), 7, 600)] == pytest.approx(wanted, abs=1e-15)


def test_a_rise_ends_in_the_rate_itself():
    rate = warmed_up(cosine(8), 4)
    assert [rate(step) for step in range(3)] == pytest.approx([cosine(8)(step) * (step + 1) / 4 for step in range(3)])
    assert [rate(step) for step in range(3, 10)] == [cosine(8)(step) for step in range(3, 10)]


def test_a_rise_of_one_step_changes_nothing():
    assert [warmed_up(stepwise([2]), 1)(step) for step in range(4)] == [stepwise([2])(step) for step in range(4)]


@pytest.mark.parametrize(
    ("milestones", "factor"), [([2, 1], 0.1), ([1, 1], 0.1), ([1, 2], 0.0), ([1], -1.0), ([1], math.nan)]
)
def test_milestones_that_do_not_ascend_and_factors_that_are_not_positive_are_refused(milestones, factor):
    with pytest.raises(ValueError, match="milestones must ascend and factor be positive"):
        stepwise(milestones, factor=factor)


@pytest.mark.parametrize("steps", [0, -3])
def test_runs_and_rises_without_steps_are_refused(steps):
    with pytest.raises(ValueError, match="a run has at least one step"):
        cosine(steps)
    with pytest.raises(ValueError, match="a rise has at least one step"):
        warmed_up(constant(), steps)
