"""Where fits begin and end, and what is said of it."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tests.problems.flows import of_counts, planted

from tombola.renormalization import Flow, window_of


def seeds(count=5, **settings):
    return [planted([0.2, -0.2], random=np.random.default_rng(seed), noise=0.01, **settings) for seed in range(count)]


def bent(seed, curvature, levels=13):
    """A flow whose first group has a parabola in its log-magnitude, from the level 6 on."""
    flow = planted([0.0, 0.0], random=np.random.default_rng(seed), noise=1e-3, levels=levels)
    late = np.maximum(flow.time - flow.time[min(6, levels - 1)], 0)
    return Flow(
        flow.groups,
        flow.sizes,
        flow.counts,
        flow.magnitudes * np.exp([-curvature, 0] * late[:, None] ** 2),
        flow.squares,
    )


def test_from_level_two_to_the_end_if_nothing_is_against_it():
    window = window_of(seeds())
    assert window.levels == ((2, 12),) * 5
    assert_allclose(window.times, [-2 * np.log(0.8), -12 * np.log(0.8)], rtol=1e-4)
    assert all(part is not None and part > 0.99 for part in window.fit.values())
    assert window.reasons == ("errors or chance are not known, or the dense error is 0: no end by error",)
    assert window.refusals == ()


def test_it_ends_before_a_group_has_fewer_than_fifty_weights():
    counts = 1000 * 0.8 ** np.arange(18)[:, None] * np.ones(2)
    window = window_of([of_counts(counts.astype(int))])
    assert counts[13, 0] > 50 > counts[14, 0]
    assert window.levels == ((2, 13),)
    assert window.reasons[0] == "ends before level 14 of run 0, where 'g0' has fewer than 50 weights"


def test_it_ends_before_an_error_is_more_than_halfway_to_chance():
    """From 0.01 to 0.9 the halfway point on the log scale is 0.095."""
    errors = np.array([0.01] * 8 + [0.094, 0.096, 0.3, 0.5, 0.8])
    runs = seeds(2, errors=errors)
    assert window_of(runs, chance=0.9).levels == ((2, 8),) * 2
    assert window_of(seeds(2, errors=errors, about={"chance": 0.9})).levels == ((2, 8),) * 2
    assert window_of(runs).levels == ((2, 12),) * 2


def test_it_ends_where_a_group_bends():
    window = window_of([bent(seed, 1.0) for seed in range(5)])
    assert all(first == 2 and 6 <= last <= 9 for first, last in window.levels)
    assert "because 'g0' bends by" in window.reasons[-1]
    assert window_of([bent(seed, 1e-3) for seed in range(5)]).levels == ((2, 12),) * 5


def test_of_one_run_no_bend_is_significant():
    window = window_of([bent(0, 1.0)])
    assert window.levels == ((2, 12),)
    assert "one run only: no end by curvature" in window.reasons


def test_a_given_window_is_taken_and_the_rules_only_speak():
    window = window_of([bent(seed, 1.0) for seed in range(5)], start=1, stop=11)
    assert window.levels == ((1, 11),) * 5
    assert window.reasons[0] == "the window was given"
    assert any(reason.startswith("by the rules: ends before density") for reason in window.reasons)


def test_groups_that_are_small_from_the_start_are_left_out():
    counts = 1000 * 0.8 ** np.arange(8)[:, None] * np.array([1, 0.06, 1])
    window = window_of([of_counts(counts.astype(int))])
    assert window.groups == ("g0", "g2")
    assert window.levels == ((2, 7),)
    assert window.refusals[0] == "left out, because they have fewer than 50 weights too early in some run: 'g1'"


def test_one_group_is_nothing_to_compare():
    counts = 1000 * 0.8 ** np.arange(8)[:, None] * np.array([1, 0.06])
    window = window_of([of_counts(counts.astype(int))])
    assert window.times is None
    assert window.refusals[-1] == "fewer than two groups are left; nothing to compare"


def test_runs_of_different_schedules_share_an_interval_of_time():
    coarse, fine = planted([0.2, -0.2], factor=0.64, levels=6), planted([0.2, -0.2], factor=0.8, levels=13)
    window = window_of([coarse, fine])
    assert window.levels == ((2, 5), (4, 10))
    assert any("different schedules" in line for line in window.refusals)
    assert any("6 to 13 levels" in line for line in window.refusals)


@pytest.mark.parametrize(
    ("flows", "said"),
    [
        ([planted([0, 0]), planted([0, 0, 0])], "run 1 has the groups g0, g1, g2, run 0 has g0, g1"),
        ([planted([0, 0]), planted([0, 0], size=999)], "the groups of run 1 are of other sizes than those of run 0"),
        ([planted([0, 0], levels=4)], "run 0 has 4 levels; a window from level 2 on wants at least 5"),
        ([of_counts([[9, 9], [0, 0]])], "run 0 keeps no weight at level 1; leave that level out"),
    ],
)
def test_no_window_in_words(flows, said):
    window = window_of(flows)
    assert window.times is None
    assert window.levels == ()
    assert window.refusals == (said,)


def test_settings_that_differ_are_said_but_seeds_are_not():
    about = [{"seed": 0, "optimiser": "sgd"}, {"seed": 1, "optimiser": "adam"}]
    window = window_of([planted([0.1, -0.1], about=one) for one in about])
    assert window.refusals == ("the runs differ in optimiser; exponents depend on such settings",)


def test_senseless_arguments():
    with pytest.raises(ValueError, match="no flow"):
        window_of([])
    with pytest.raises(ValueError, match="0 <= start < stop, got 5 and 3"):
        window_of(seeds(1), start=5, stop=3)
