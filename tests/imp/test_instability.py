import copy
from functools import partial

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from tombola import data, models, schedules, training
from tombola.imp import Barrier, Instability, barrier, imp, instability, stability_point, weights

STEPS = 200


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Coin:
    """A training loop that ends at 1 or -1 by chance if it begins before step 10, and at 1 later."""

    def __init__(self):
        self.calls, self.begun, self.ends = [], [], []

    def __call__(self, model, masks, *, start, stop, generator):
        self.calls.append((start, stop))
        self.begun.append(model.weight.item())
        trained, drawn = copy.deepcopy(model), torch.rand((), generator=generator)
        with torch.no_grad():
            trained.weight.fill_(1.0 if start >= 10 or drawn < 0.5 else -1.0)
            trained.bias.fill_(drawn)
        self.ends.append(trained.weight.item())
        return trained


between = partial(barrier, error=lambda net: 1 - abs(net.weight.item()), points=3)


def one_number():
    layer = nn.Linear(1, 1)
    with torch.no_grad():
        layer.weight.fill_(0.25)
    return layer


def measured(step, *heights):
    barriers = tuple(Barrier(np.array([0, 0.5, 1]), np.array([0.1, 0.1 + height, 0.1])) for height in heights)
    return Instability(step, barriers)


def test_coins_worked_by_hand():
    train = Coin()
    (found,) = instability(one_number(), train, between, steps=[0], stop=50, pairs=8)
    assert train.calls == [(0, 50)] * 16
    pairs = list(zip(train.ends[::2], train.ends[1::2], strict=True))
    wanted = [float(one != other) for one, other in pairs]  # between 1 and -1 lies 0, whose error is 1
    assert 0 < sum(wanted) < 8
    assert [each.height for each in found.barriers] == wanted
    assert (found.step, found.height, found.error) == (0, sum(wanted) / 8, 0.0)


def test_the_interval_is_students():
    found = measured(0, 0.01, 0.02, 0.06)
    assert found.height == pytest.approx(0.03)
    wanted = stats.ttest_1samp([0.01, 0.02, 0.06], 0).confidence_interval(0.95)
    assert found.interval == pytest.approx((wanted.low, wanted.high))
    assert measured(0, 0.01).interval == (-np.inf, np.inf)


def test_the_dense_network_is_trained_once_along_the_steps():
    train = Coin()
    found = list(instability(one_number(), train, between, steps=[0, 4, 20], stop=50, pairs=1))
    assert train.calls == [*[(0, 50)] * 2, (0, 4), *[(4, 50)] * 2, (4, 20), *[(20, 50)] * 2]
    assert train.begun == [0.25, 0.25, 0.25, *[train.ends[2]] * 3, *[train.ends[5]] * 2]
    assert [each.step for each in found] == [0, 4, 20]
    assert found[-1].height == 0


def test_noise_follows_from_the_seed_and_differs_from_copy_to_copy():
    states = []

    def watched(model, masks, *, start, stop, generator):
        states.append(generator.get_state().tolist())
        return Coin()(model, masks, start=start, stop=stop, generator=generator)

    for seed in (3, 3, 4):
        list(instability(one_number(), watched, between, steps=[0, 20], stop=50, pairs=2, seed=seed))
    runs = [states[:9], states[9:18], states[18:]]
    assert runs[0] == runs[1]
    assert len({tuple(state) for state in runs[0] + runs[2]}) == 18


def test_no_more_is_measured_than_asked_for():
    train = Coin()
    found = instability(one_number(), train, between, steps=[0, 20, 40], stop=50, pairs=8)
    assert train.calls == []
    point = stability_point(found)
    assert (point.step, [each.step for each in point.tried], point.below) == (20, [0, 20], 0.02)
    assert (40, 50) not in train.calls
    assert next(found).step == 40


def test_a_stable_step_may_be_followed_by_unstable_ones():
    curve = [measured(0, 0.3), measured(10, 0.01), measured(20, 0.2), measured(30, 0.0)]
    assert stability_point(curve).step == 10
    assert stability_point(curve[2:]).step == 30
    assert stability_point(curve, below=0.005).step == 30


def test_if_none_is_stable_all_are_told():
    point = stability_point([measured(0, 0.3), measured(10, 0.02)])
    assert point.step is None
    assert [each.height for each in point.tried] == pytest.approx([0.3, 0.02])
    empty = stability_point([])
    assert (empty.step, empty.tried) == (None, ())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": []}, "steps ascend"),
        ({"steps": [5, 5]}, "steps ascend"),
        ({"steps": [9, 5]}, r"got \[9, 5\]"),
        ({"steps": [-1]}, "from 0 or later"),
        ({"steps": [0, 50]}, "lie before the end, 50"),
        ({"pairs": 0}, "at least one pair"),
        ({"masks": {"wait": torch.ones(1, 1, dtype=torch.bool)}}, "names no parameter"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_training(options, said):
    train = Coin()
    with pytest.raises(ValueError, match=said):
        next(instability(one_number(), train, between, **{"steps": [0], "stop": 50, **options}))
    assert train.calls == []


def test_training_without_noise_is_refused():
    def without(model, masks, *, start, stop, generator):
        return copy.deepcopy(model)

    with pytest.raises(ValueError, match="must follow from the generator"):
        next(instability(one_number(), without, between, steps=[0], stop=50))


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


def net():
    return models.build("mlp:64-100-10", generator=seeded())


def by_error(digits):
    return partial(barrier, error=lambda model: 1 - training.evaluate(model, *digits.test()).accuracy, points=11)


@pytest.mark.usefixtures("untouched")
def test_copies_begin_where_pruning_goes_back_to(digits):
    plain, begun = training.Trainer(digits, steps=40), []

    def train(model, masks, *, start, stop, generator):
        begun.append((start, model))
        return plain(model, masks, start=start, stop=stop, generator=generator)

    model = net()
    before = copy.deepcopy(model.state_dict())
    run = imp(model, plain, stop=40, schedule=schedules.geometric(2, factor=0.5), rewind=weights(7), seed=5)
    for level in run:
        begun.clear()
        next(instability(model, train, by_error(digits), steps=[7], stop=40, masks=level.masks, pairs=1, seed=5))
        assert [start for start, _ in begun] == [0, 7, 7]
        for _, copied in begun[1:]:
            torch.testing.assert_close(copied.state_dict(), level.begun.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_small_networks_are_stable_from_the_beginning_also_pruned(digits):
    train = training.Trainer(digits, steps=STEPS, batch_size=64, rate=training.cosine(STEPS))
    dense, *_, ticket = imp(net(), train, stop=STEPS, schedule=schedules.geometric(4, factor=0.512))
    assert ticket.density == pytest.approx(0.0687, abs=1e-3)
    for level in (dense, ticket):
        options = dict(steps=[0], stop=STEPS, masks=level.masks, pairs=2)
        point = stability_point(instability(net(), train, by_error(digits), **options))
        assert point.step == 0
        assert point.tried[0].error < 0.1


def test_at_a_large_learning_rate_stability_comes_later(digits):
    large = training.sgd(1.0, momentum=0.5)
    train = training.Trainer(digits, steps=STEPS, batch_size=16, optimiser=large, rate=training.cosine(STEPS))
    point = stability_point(instability(net(), train, by_error(digits), steps=[0, 100], stop=STEPS, pairs=2))
    assert point.step == 100
    assert point.tried[0].height > 0.1
    assert max(each.error for each in point.tried) < 0.1
