"""Small steps and large ones to the same density."""

import numpy as np
import pytest
from tests.problems.flows import of_counts

from tombola.renormalization import semigroup_defect

SIZES = np.array([19_200, 30_000, 1000])
FINE = np.array([0.147, 0.0132, 0.220])
OTHERS = [  # densities, on logarithms, on densities: measured on a small network for steps of 0.64, 0.512, and one
    ([0.147, 0.0133, 0.229], 0.01, 0.041),
    ([0.147, 0.0126, 0.244], 0.02, 0.098),
    ([0.162, 0.0041, 0.213], 0.27, 2.22),
]


def ending_at(densities, levels):
    """A flow that reaches densities at its last level, where it keeps 3350 weights."""
    last = np.round(np.array(densities) * SIZES).astype(int)
    last[0] += 3350 - last.sum()
    between = [np.round(SIZES * (last / SIZES) ** (k / levels)).astype(int) for k in range(1, levels)]
    return of_counts([SIZES, *between, last])


@pytest.mark.parametrize(("densities", "on_logs", "on_densities"), OTHERS)
def test_both_defects_of_measured_densities(densities, on_logs, on_densities):
    found = semigroup_defect(ending_at(FINE, 12), ending_at(densities, 4))
    assert found.on_logs == pytest.approx(on_logs, abs=0.006)
    assert found.on_densities == pytest.approx(on_densities, abs=0.02)
    assert found.composes == (on_densities < 0.1)
    assert found.refusals == ()


def test_a_run_and_itself():
    flow = ending_at(FINE, 5)
    found = semigroup_defect(flow, flow)
    assert (found.on_logs, found.on_densities, found.levels) == (0.0, 0.0, (5, 5))


def test_the_nearest_of_the_sparsest_levels_is_taken():
    first = of_counts([[1000, 1000], [500, 500], [250, 250]])
    second = of_counts([[1000, 1000], [253, 250], [250, 251], [100, 100]])
    assert semigroup_defect(first, second).levels == (2, 2)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ([[1000, 1000], [300, 300]], "the runs reach no density in common but that of all weights"),
        ([[1000, 1000], [0, 0]], "run 1 keeps no weight at level 1; leave that level out"),
        ([[1000, 1000, 10], [300, 300, 3]], "run 1 has the groups g0, g1, g2, run 0 has g0, g1"),
    ],
)
def test_nothing_to_compare_in_words(second, said):
    found = semigroup_defect(of_counts([[1000, 1000], [500, 500]]), of_counts(second))
    assert found.refusals == (said,)
    assert found.to_json()["on_logs"] is None


def test_a_group_that_is_gone_is_said_and_nothing_composes():
    found = semigroup_defect(of_counts([[100, 900], [0, 500]]), of_counts([[100, 900], [5, 495]]))
    assert found.groups == ("g1",)
    assert found.composes is False
    assert found.refusals == ("left out, because they have no weights in one of the runs: 'g0'",)


def test_it_says_what_it_does_not_tell():
    assert "another question, see `markov_defect`" in semigroup_defect(ending_at(FINE, 3), ending_at(FINE, 2)).statement
