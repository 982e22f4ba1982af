import copy

import pytest
import torch

from tombola import data, imp, models, schedules
from tombola.masks import count
from tombola.training import Train, Trainer, cosine, evaluate

STEPS = 60


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0):
    return models.build("mlp:64-100-10", generator=seeded(seed))


def some(model, density, seed=1):
    return imp.shuffled(imp.largest_weights(model, density), generator=seeded(seed))


def values(model):
    return {name: value.detach() for name, value in model.state_dict().items()}


def assert_same(one, other):
    torch.testing.assert_close(values(one), values(other), rtol=0, atol=0)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def train(digits):
    return Trainer(digits, steps=STEPS, batch_size=64, rate=cosine(STEPS))


class Recorder:
    """A training loop that adds one to every kept weight, and remembers how it was called."""

    def __init__(self):
        self.calls = []

    def __call__(self, model, masks, *, start, stop, generator):
        self.calls.append((start, stop, count(masks)))
        trained = copy.deepcopy(model)
        with torch.no_grad():
            for name, parameter in trained.named_parameters():
                parameter += masks.get(name, torch.ones(())) * torch.ones_like(parameter)
        return trained


def test_three_cycles_worked_by_hand():
    train, model = Recorder(), net()
    masks = some(model, 0.1)
    cycled = imp.cyclic(train, 3)
    assert isinstance(cycled, Train)
    trained = cycled(model, masks, start=5, stop=9, generator=seeded())
    assert train.calls == [(5, 9, 740)] * 3
    torch.testing.assert_close(trained.fc1.weight, model.fc1.weight + 3 * masks["fc1.weight"])


def test_every_cycle_goes_on_from_the_one_before(train):
    model, generator = net(), seeded(3)
    wanted = model
    for _ in range(2):
        wanted = train(wanted, {}, start=0, stop=STEPS, generator=generator)
    assert_same(imp.cyclic(train, 2)(model, {}, start=0, stop=STEPS, generator=seeded(3)), wanted)
    once = train(model, {}, start=0, stop=STEPS, generator=seeded(3))
    assert_same(imp.cyclic(train, 1)(model, {}, start=0, stop=STEPS, generator=seeded(3)), once)


def test_levels_may_be_trained_in_cycles():
    train = Recorder()
    run = imp.imp(net(), imp.cyclic(train, 2), stop=STEPS, schedule=schedules.geometric(2, factor=0.5))
    assert [level.kept for level in run] == [7400, 3700, 1850]
    assert train.calls == [(0, STEPS, kept) for kept in (7400, 7400, 3700, 3700, 1850, 1850)]


def test_no_cycle_is_refused():
    with pytest.raises(ValueError, match="at least once, got 0 cycles"):
        imp.cyclic(Recorder(), 0)


@pytest.mark.usefixtures("untouched")
def test_sculpting_is_cycles_and_pruning_and_a_cycle(train):
    model = net()
    masks, before = some(model, 0.3), copy.deepcopy(values(model))
    first, last = imp.sculpt(model, train, masks, density=0.1, stop=STEPS, cycles=2, seed=4)
    assert [(level.number, level.kept, level.density, level.step) for level in (first, last)] == [
        (0, 2220, 0.3, STEPS),
        (1, 740, 0.1, STEPS),
    ]
    torch.testing.assert_close(first.masks, masks)
    torch.testing.assert_close(last.masks, imp.everywhere(first.model, masks, 740))
    for name, mask in last.masks.items():
        assert (masks[name] | ~mask).all()
        assert (last.model.get_parameter(name)[~mask] == 0).all()
        assert last.begun.get_parameter(name)[mask].equal(first.model.get_parameter(name)[mask])
        assert first.begun.get_parameter(name)[masks[name]].equal(model.get_parameter(name)[masks[name]])
    again = imp.sculpt(model, train, masks, density=0.1, stop=STEPS, cycles=2, seed=4)[1]
    other = imp.sculpt(model, train, masks, density=0.1, stop=STEPS, cycles=2, seed=5)[1]
    assert_same(again.model, last.model)
    assert not other.model.fc1.weight.equal(last.model.fc1.weight)
    torch.testing.assert_close(values(model), before, rtol=0, atol=0)


def test_the_last_cycle_has_the_whole_schedule():
    train, model = Recorder(), net()
    imp.sculpt(model, train, some(model, 0.3), density=0.1, stop=STEPS, cycles=3, prune=imp.by_layer)
    assert train.calls == [(0, STEPS, 2220)] * 3 + [(0, STEPS, 740)]


def test_sculpted_networks_are_better_than_random_ones_as_sparse(digits, train):
    """Both with four cycles in all; the random mask has the same share of each layer, so that none is starved."""

    def error(model):
        return 1 - evaluate(model, *digits.test()).accuracy

    model = net()
    even = imp.by_layer(model, imp.largest_weights(model, 1.0), 740)
    masks = imp.shuffled(even, generator=seeded(100))
    random = imp.cyclic(train, 4)(model, masks, start=0, stop=STEPS, generator=seeded())
    _, sculpted = imp.sculpt(model, train, some(model, 0.3), density=0.1, stop=STEPS, cycles=3)
    assert count(masks) == sculpted.kept == 740
    assert error(sculpted.model) < error(random) / 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"density": 0.3}, "2220 of 7400 weights are kept at first; a density of 0.3 leaves none to prune"),
        ({"density": 0.0}, r"lies in \(0, 1\]"),
        ({"cycles": 0}, "at least once, got 0 cycles"),
        ({"masks": {}}, "0 of 0 weights"),
        ({"masks": {"fc9.weight": torch.ones(1, 1, dtype=torch.bool)}}, "names no parameter"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_any_training(options, said):
    train, model = Recorder(), net()
    settings = {"masks": some(model, 0.3), "density": 0.1, "stop": STEPS, "cycles": 2, **options}
    with pytest.raises(ValueError, match=said):
        imp.sculpt(model, train, settings.pop("masks"), **settings)
    assert train.calls == []
