"""Whatever the runs are, a report is plain data and words, and never NaN."""

import json

import numpy as np
import pytest
from tests.problems.flows import of_counts, planted

from tombola.renormalization import (
    ensemble_operator,
    flow_report,
    local_exponents,
    semigroup_defect,
    trajectory_operator,
    universality,
)


def odd_flow(random, levels, groups):
    """Counts that fall at random, here and there to 0, and errors some of which are 0."""
    sizes = random.integers(1, 3000, groups)
    kept = np.minimum.accumulate(random.random((levels, groups)) ** random.uniform(0.1, 3) * 1.2 - 0.1, axis=0)
    counts = np.floor(np.clip(kept, 0, 1) * sizes).astype(int)
    counts[0] = sizes
    errors = np.round(random.random(levels), 1) if random.random() < 0.5 else None
    return of_counts(counts, sizes, errors=errors, about={"chance": 0.9})


@pytest.mark.parametrize("seed", range(40))
def test_odd_runs_give_plain_data(seed):
    random = np.random.default_rng(seed)
    groups, levels, seeds = int(random.integers(1, 5)), int(random.integers(1, 12)), int(random.integers(1, 5))
    flows = [odd_flow(random, levels, groups) for _ in range(seeds)]
    if random.random() < 0.7:  # runs of one network
        flows = [of_counts(np.minimum(flow.counts, flows[0].counts), flows[0].sizes) for flow in flows]
    report = flow_report(flows)
    found = [report, report.exponents.window, trajectory_operator(flows), semigroup_defect(flows[0], flows[-1])]
    found.append(universality(report.exponents, report.exponents))
    if levels > 1:
        found.append(ensemble_operator(flows, 0))
    for one in found:
        json.dumps(one.to_json(), allow_nan=False)
    assert report.exponents.value is not None or report.refusals
    json.dumps([local_exponents(flow).exponents.tolist() for flow in flows], allow_nan=False)


def test_of_one_level_there_is_nothing_to_say_but_that():
    report = flow_report([planted([0.1, -0.1], levels=1)]).to_json()
    assert report["identity_residual"] is None
    assert report["refusals"] == ["run 0 has 1 levels; a window from level 2 on wants at least 5"]


def test_maps_in_plain_data():
    random = np.random.default_rng(0)
    flows = [planted([0.2, -0.2], random=random, walk=0.3) for _ in range(6)]
    data = trajectory_operator(flows).to_json()
    assert len(data["eigenvalues"]) == len(data["exponents"]) == len(data["labels"]) == 1
    assert data["low"][0] < np.hypot(*data["eigenvalues"][0]) < data["high"][0]
