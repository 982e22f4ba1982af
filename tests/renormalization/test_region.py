"""The two gates before exponents count as more than descriptions."""

import numpy as np
import pytest
from tests.problems.flows import of_counts

from tombola.imp import Barrier
from tombola.renormalization import linear_region, semigroup_defect


def line(height, ends=0.05):
    return Barrier(np.linspace(0, 1, 3), np.array([ends, ends + height, ends]))


def defect(second):
    return semigroup_defect(of_counts([[1000, 1000], [500, 500]]), of_counts([[1000, 1000], second]))


SMALL, LARGE, GONE = defect([480, 520]), defect([400, 600]), defect([0, 1000])


@pytest.mark.parametrize(
    ("defects", "barriers", "inside"),
    [
        ([SMALL], [line(0.01)], True),
        ([SMALL, LARGE], [line(0.01)], False),
        ([SMALL], [line(0.01), line(0.03)], False),
        ([SMALL], [], None),
        ([], [line(0.01)], None),
        ([LARGE], [], False),
        ([], [line(0.03)], False),
        ([GONE], [line(0.0)], False),
        ([], [], None),
    ],
)
def test_the_worst_of_all_runs_decides(defects, barriers, inside):
    assert linear_region(defects=defects, barriers=barriers).is_inside is inside


def test_numbers_by_hand():
    found = linear_region(defects=[SMALL, LARGE], barriers=[line(0.01), line(0.03, ends=0.2)])
    assert found.semigroup == pytest.approx(0.25)  # 500 of 400 less 1
    assert (found.barrier, found.error) == (pytest.approx(0.03), 0.2)
    assert found.refusals == ()


def test_what_is_not_known_is_said():
    found = linear_region().to_json()
    assert found["semigroup"] is found["barrier"] is found["error"] is None
    assert [line.split(":")[0] for line in found["refusals"]] == ["no runs of larger steps", "no barriers"]
    refused = semigroup_defect(of_counts([[10, 10], [5, 5]]), of_counts([[10, 10], [2, 2]]))
    assert "no density in common" in linear_region(defects=[refused], barriers=[line(0.0)]).refusals[0]
