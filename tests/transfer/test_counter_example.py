"""Two tasks whose inputs differ by their signs have exponents of one law, and tickets that are of no use to each other.

With the first layer's weights negated as well, one run is the mirror image of the other, to the last bit.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from tombola import data, models
from tombola.data import Scaling
from tombola.imp import imp
from tombola.renormalization import empirical_null, flow_of
from tombola.schedules import geometric
from tombola.training import Trainer, evaluate, sgd
from tombola.transfer import (
    Arm,
    input_skew,
    masks_and_weights,
    predict_transfer,
    random_control,
    recovery,
    zero_shot,
)

STEPS, SEEDS, DENSITY = 120, (0, 1), 0.4**3


@pytest.fixture(scope="module")
def tasks():
    """Centred digits, and the same with the sign of every pixel changed."""
    digits = data.load("digits")
    x, x_test = digits.train()[0], digits.test()[0]
    x, x_test = x - x.mean(dim=0), x_test - x.mean(dim=0)
    plain = replace(digits, name="plain", x_train=x, x_test=x_test, scaling=Scaling("none"))
    return {"plain": plain, "mirror": replace(plain, name="mirror", x_train=-x, x_test=-x_test)}


def net(seed, *, is_mirrored=False):
    made = models.build("mlp:64-60-10", generator=torch.Generator().manual_seed(seed))
    if is_mirrored:
        with torch.no_grad():
            made.fc1.weight.neg_()
    return made


def trainer(task):
    return Trainer(task, STEPS, 64, optimiser=sgd(0.1, momentum=0.0))


def run(task, model, seed):
    """The levels of one run and its flow."""
    levels = list(imp(model, trainer(task), stop=STEPS, schedule=geometric(3, factor=0.4), seed=seed))
    return levels, flow_of([(dict(level.model.named_parameters()), level.masks) for level in levels])


@pytest.fixture(scope="module")
def runs(tasks):
    return {
        (name, seed): run(task, net(seed, is_mirrored=name == "mirror"), seed)
        for name, task in tasks.items()
        for seed in SEEDS
    }


def test_mirrored_runs_are_equal_to_the_last_bit(runs):
    for seed in SEEDS:
        (ours, flow), (theirs, other) = runs["plain", seed], runs["mirror", seed]
        np.testing.assert_array_equal(flow.counts, other.counts)
        np.testing.assert_array_equal(flow.magnitudes, other.magnitudes)
        np.testing.assert_array_equal(flow.squares, other.squares)
        for one, two in zip(ours, theirs, strict=True):
            assert all(one.masks[name].equal(mask) for name, mask in two.masks.items())
            assert one.model.fc1.weight.equal(-two.model.fc1.weight)
            assert one.model.fc2.weight.equal(two.model.fc2.weight)


def test_so_nothing_of_the_flows_can_tell_the_tasks_apart_but_the_data_can(tasks, runs):
    flows = {name: [runs[name, seed][1] for seed in SEEDS] for name in tasks}
    kept = flows["plain"][0].kept
    nulls = [empirical_null(kept, {n: net(s).get_parameter(n) for n in ("fc1.weight", "fc2.weight")}) for s in SEEDS]
    skews = input_skew(tasks["plain"]), input_skew(tasks["mirror"])
    found = predict_transfer(
        flows["plain"], flows["mirror"], null_a=nulls, null_b=nulls, skews=skews, window=(1, 3)
    ).to_json()
    assert found["evidence"]["universality"]["distance"] == 0.0
    assert found["evidence"]["universality"]["p_value"] == 1.0
    signals = found["evidence"]["task_signals"]
    assert signals["source"] == signals["target"]
    assert skews[0] == -skews[1] != 0
    assert found["evidence"]["sign_alignment"]["is_same_sign"] is False
    assert "negatives" in found["cannot_see"][0]


def test_yet_the_ticket_is_wrong_nearly_always_on_the_other_task_and_vetoed(tasks, runs):
    level = runs["plain", 0][0][-1]
    ticket = masks_and_weights(level.begun, level.masks, net(0))
    own, other = zero_shot(ticket, tasks["plain"]), zero_shot(ticket, tasks["mirror"])
    assert own.error < 0.6
    assert not own.is_vetoed
    assert other.error > 0.98
    assert other.is_vetoed


def test_and_recovers_little_at_this_budget(tasks, runs):
    errors = {"carried": [], "native": [], "random": []}
    for seed in SEEDS:
        plain, mirror = runs["plain", seed][0][-1], copy.copy(runs["mirror", seed][0][-1])
        arms = {
            "carried": masks_and_weights(plain.begun, plain.masks, net(seed)),
            "native": masks_and_weights(mirror.begun, mirror.masks, net(seed, is_mirrored=True)),
            "random": random_control(mirror.masks, net(seed + 50), generator=torch.Generator().manual_seed(seed)),
        }
        for name, arm in arms.items():
            draw, train = torch.Generator().manual_seed(seed), trainer(tasks["mirror"])
            done = train(arm.model, arm.masks, start=0, stop=STEPS, generator=draw)
            errors[name].append(1 - evaluate(done, *tasks["mirror"].test()).accuracy)
    found = recovery(*(Arm(errors[name], DENSITY) for name in ("carried", "native", "random")))
    assert found.gap > 0.1
    assert found.value is None or found.value < 0.5
