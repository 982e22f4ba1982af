"""Intervals of medians, and functions that take their turns."""

import pytest
import torch
from scipy.stats import binom

from tombola.deploy import Interval
from tombola.deploy._turns import LEAST, turns


def test_an_interval_ends_at_ranks():
    assert Interval.of([float(k) for k in range(20)]) == Interval(9.5, 5.0, 14.0)
    assert Interval.of([5.0] * 6) == Interval(5.0, 5.0, 5.0)


@pytest.mark.parametrize("count", [6, 7, 15, 40, 60])
def test_it_holds_the_median_as_often_as_it_says(count):
    """It misses the median if too many values, or too few, lie below it: their number is binomial."""
    values = [float(k) for k in range(count)]
    found = Interval.of(values)
    outside = binom.cdf(found.low, count, 0.5) + binom.sf(found.high, count, 0.5)
    assert 1 - outside >= 0.95
    draws = torch.rand(4000, count, generator=torch.Generator().manual_seed(0)).tolist()
    holds = [(one := Interval.of(draw)).low <= 0.5 <= one.high for draw in draws]
    assert sum(holds) / 4000 > 0.94


def test_all_take_their_turns():
    calls = []
    times = turns([lambda: calls.append("a"), lambda: calls.append("b")], rounds=8, seconds=10.0)
    assert [len(own) for own in times] == [8, 8]
    assert min(min(own) for own in times) > 0
    assert "".join(calls).endswith("b")
    runs = "".join(calls).replace("ab", "a|b").replace("ba", "b|a").split("|")
    assert len(runs) == 2 + 2 * 8  # two that find out how many calls make a turn


def test_when_time_is_up_there_are_rounds_enough_for_an_interval():
    times = turns([lambda: None], rounds=1000, seconds=0.0)
    assert len(times[0]) == LEAST
