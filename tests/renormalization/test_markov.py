"""Whether groups remember more than their present, on chains that do and on chains that do not."""

import numpy as np
import pytest
from tests.problems.flows import planted

from tombola.renormalization import Flow, flow_report, markov_defect

LEVELS = 12
COUNTS = np.round(10**7 * 0.8 ** np.arange(LEVELS)).astype(int)
MIX = np.array([[0.9, 0.2], [-0.1, 0.8]])


def flow_of_points(points, curve=0.0):
    """A flow whose log-ratios are `(levels, r)` points, up to a rotation, on a curve that all runs share."""
    logs = np.column_stack([points, -points.sum(axis=1)]) + curve * np.sin(np.arange(len(points)))[:, None] * [1, 0, -1]
    counts = COUNTS[: len(points), None].repeat(logs.shape[1], axis=1)
    names = tuple(f"g{i}" for i in range(logs.shape[1]))
    return Flow(names, counts[0], counts, counts * np.exp(logs), counts * np.exp(2 * logs))


def chains(random, runs, *, now, before=0.0, noise=1.0, curve=0.0):
    """Runs of `x(n+1) = x(n) now + x(n-1) before + noise`, two coordinates, from where they have long been running."""
    found = []
    for _ in range(runs):
        points = 0.02 * random.standard_normal((LEVELS + 40, 2))
        for n in range(2, len(points)):
            points[n] = points[n - 1] @ now + before * points[n - 2] + noise * points[n]
        found.append(flow_of_points(points[-LEVELS:], curve))
    return found


def test_a_map_without_noise_has_a_defect_of_zero():
    """By construction: the present says everything, whatever the curve that all runs follow."""
    random = np.random.default_rng(0)
    points = [random.standard_normal((1, 2)) for _ in range(8)]
    runs = [
        flow_of_points(np.concatenate([one @ np.linalg.matrix_power(MIX, n) for n in range(8)]), 0.3) for one in points
    ]
    found = markov_defect(runs, window=(0, 7))
    assert (found.gain, found.low, found.high, found.verdict) == (0.0, 0.0, 0.0, "no memory")
    assert (found.runs, found.steps, found.refusals) == (8, 6, ())


def test_a_law_of_two_levels_is_found_out_and_by_two_levels_nothing_is_left():
    """Without noise the level before takes all of the error away, so the gain is 1."""
    random = np.random.default_rng(1)
    runs = []
    for _ in range(12):
        points = [random.standard_normal(2), random.standard_normal(2)]
        for _ in range(8):
            points.append(0.5 * points[-1] + 0.4 * points[-2])
        runs.append(flow_of_points(np.array(points)))
    found = markov_defect(runs, window=(0, 9))
    assert found.gain == pytest.approx(1, abs=1e-6)
    assert found.verdict == "memory"


def test_noise_does_not_make_memory_nor_does_the_curve_that_all_runs_follow():
    for seed, curve in ((2, 0.0), (3, 5.0)):
        found = markov_defect(chains(np.random.default_rng(seed), 24, now=MIX, curve=curve), window=(0, LEVELS - 1))
        assert found.verdict == "no memory"
        assert found.gain == pytest.approx(0, abs=0.05)
    walks = chains(np.random.default_rng(4), 24, now=np.eye(2))
    assert markov_defect(walks, window=(0, LEVELS - 1)).verdict == "no memory"


def test_the_gain_is_the_squared_partial_correlation():
    """For `x(n+1) = a x(n) + b x(n-1) + noise` one level leaves `1 / (1 - b^2)` times as much as two."""
    runs = chains(np.random.default_rng(5), 150, now=0.3 * np.eye(2), before=0.5)
    found = markov_defect(runs, window=(0, LEVELS - 1))
    assert found.gain == pytest.approx(0.25, abs=0.04)
    assert found.low < 0.25 < found.high
    assert found.verdict == "memory"


def test_noise_of_single_levels_looks_like_memory():
    """It is a known blindness: a second look at the same state helps if each look is blurred."""
    random = np.random.default_rng(6)
    truth = chains(random, 24, now=0.95 * np.eye(2), noise=0.3)
    blurred = [
        flow_of_points(np.log(flow.magnitudes / flow.counts)[:, :2] + 0.02 * random.standard_normal((LEVELS, 2)))
        for flow in truth
    ]
    assert markov_defect(truth, window=(0, LEVELS - 1)).verdict == "no memory"
    assert markov_defect(blurred, window=(0, LEVELS - 1)).verdict == "memory"


def test_false_alarms_are_rarer_than_the_interval_says():
    random = np.random.default_rng(7)
    alarms = [
        markov_defect(chains(random, runs, now=MIX), window=(0, LEVELS - 1)).verdict == "memory"
        for runs in [4] * 100 + [8] * 100
    ]
    assert sum(alarms) <= 10


@pytest.mark.parametrize(
    ("runs", "window", "said"),
    [
        (3, (0, 11), "memory wants at least 4 runs, there are 3"),
        (4, (0, 4), "3 steps of 4 runs are too few for 3 groups; take 8 runs"),
        (8, (0, 1), "0 steps of 8 runs are too few for 3 groups; take a window of four levels"),
    ],
)
def test_too_few_runs_or_levels_are_refused(runs, window, said):
    found = markov_defect(chains(np.random.default_rng(8), runs, now=MIX), window=window)
    assert (found.gain, found.low, found.high, found.verdict) == (None, None, None, "undecided")
    assert found.refusals == (said,)
    enough = chains(np.random.default_rng(8), 8, now=MIX)
    assert markov_defect(enough, window=(0, 4)).gain is not None


def test_runs_that_are_alike_or_of_other_schedules_are_refused():
    one = planted([0.1, -0.1])
    assert markov_defect([one] * 8).refusals == ("the runs are alike: nothing is to be foretold",)
    others = [planted([0.1, -0.1], factor=0.64), *[one] * 7]
    assert markov_defect(others, window=(0, 5)).refusals == (
        "the runs have different schedules: levels cannot be paired",
    )
    uneven = np.array([[1000, 1000], [800, 800], [600, 600], [300, 300], [250, 250], [200, 200], [150, 150]])
    flow = Flow(("a", "b"), uneven[0], uneven, 1.0 * uneven, 1.0 * uneven)
    assert "not evenly spaced" in markov_defect([flow] * 8, window=(0, 6)).refusals[0]
    with pytest.raises(ValueError, match="the window is of 8 runs, but there are 4"):
        markov_defect([one] * 4, window=flow_report([one] * 8).exponents.window)


def test_few_runs_are_said_and_the_report_has_it():
    runs = [planted([0.2, -0.2], random=np.random.default_rng(seed), walk=0.1) for seed in range(6)]
    found = markov_defect(runs, window=(0, 12))
    assert found.refusals == ("fewer than 8 runs: memory may well be missed",)
    report = flow_report(runs, window=(0, 12))
    assert report.to_json()["markov"] == found.to_json()
    assert found.refusals[0] not in report.refusals
    assert flow_report(runs[:1]).to_json()["markov"]["gain"] is None
