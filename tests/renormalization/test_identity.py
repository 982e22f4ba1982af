"""Local exponents and the identity that they obey."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.problems.flows import of_counts

from tombola.renormalization import clr, gaussian_null, local_exponents, log_ratios
from tombola.schedules import geometric


def rounded_null(factor=0.8):
    """The null flow of a small network, with whole counts."""
    kept = geometric(14, factor=factor)(50_200)
    sizes = {"a": 19_200, "b": 30_000, "c": 1000}
    null = gaussian_null(kept, sizes, {"a": math.sqrt(2 / 64), "b": math.sqrt(2 / 300), "c": math.sqrt(2 / 100)})
    counts = np.floor(null.counts).astype(int)
    counts[:, 0] += np.array(kept) - counts.sum(axis=1)  # so that totals are those of the schedule
    return of_counts(counts, null.sizes)


def test_two_groups_by_hand():
    found = local_exponents(of_counts([[100, 300], [80, 240], [40, 216]]))
    assert_allclose(found.exponents[0], [1, 1])
    assert_allclose(found.exponents[1], [math.log(0.5) / math.log(0.8), math.log(0.9) / math.log(0.8)])
    assert_allclose(found.eigenvalues[1], [0.5 / 0.8, 0.9 / 0.8])


@pytest.mark.parametrize("factor", [0.5, 0.64, 0.8])
def test_the_identity_holds_up_to_rounding_of_the_counts(factor):
    """A residual is at most 1 over the number of weights, and below 1e-3 for a network of 50200."""
    flow = rounded_null(factor)
    found = local_exponents(flow, factor=factor)
    assert (np.abs(found.residuals) <= found.bounds + 1e-12).all()
    dense_enough = flow.kept[:-1] > 1000
    assert (np.abs(found.residuals[dense_enough]) < 1e-3).all()
    assert np.abs(found.residuals).max() > 1e-9  # counts are rounded, and this is seen


def test_of_what_was_kept_the_identity_is_exact():
    assert_allclose(local_exponents(rounded_null()).residuals, 0, atol=1e-14)


def test_shares_change_by_the_eigenvalue():
    flow = rounded_null()
    found = local_exponents(flow, factor=0.8)
    assert_allclose(found.eigenvalues, flow.shares[1:] / flow.shares[:-1], rtol=1e-12)
    rounding = 0.8 * flow.kept[:-1] / flow.kept[1:]
    assert_allclose(found.eigenvalues, 0.8 ** (found.exponents - 1) * rounding[:, None], rtol=1e-12)
    assert ((found.eigenvalues > 1) == (0.8**found.exponents * flow.kept[:-1, None] > flow.kept[1:, None])).all()


def test_a_group_that_vanishes_is_masked_and_said():
    found = local_exponents(of_counts([[10, 10], [0, 10], [0, 5]]), factor=0.5)
    assert found.exponents.tolist() == [[None, 0.0], [None, 1.0]]
    assert found.eigenvalues.tolist() == [[None, 2.0], [None, 1.0]]
    assert_allclose(found.residuals, 0)
    assert found.refusals == ("'g0' has lost all weights at level 1; it has no exponents from there on",)


def test_a_step_that_prunes_nothing_is_masked_and_said():
    found = local_exponents(of_counts([[10, 10], [10, 10]]))
    assert found.exponents.tolist() == [[None, None]]
    assert_allclose(found.residuals, 0)
    assert found.refusals == ("step 0 prunes nothing and has no exponents",)


def test_a_flow_that_loses_everything_gives_no_nan():
    found = local_exponents(of_counts([[4, 4], [0, 0], [0, 0]]))
    assert found.exponents.tolist() == [[None, None], [None, None]]
    assert np.isfinite(found.residuals).all()


def test_coordinates_sum_to_zero_and_ignore_totals():
    values = np.random.default_rng(0).uniform(1, 5, (6, 4))
    assert_allclose(clr(values).sum(axis=1), 0, atol=1e-12)
    assert_allclose(clr(values), clr(values / values.sum(axis=1, keepdims=True)), atol=1e-12)
    apart = clr(values)[0] - clr(values)[1]
    free = log_ratios(values)
    assert_allclose(np.linalg.norm(free[0] - free[1]), np.linalg.norm(apart))


def test_a_factor_out_of_range():
    with pytest.raises(ValueError, match="the fraction that a step keeps"):
        local_exponents(rounded_null(), factor=1.0)
