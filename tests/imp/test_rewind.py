import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from tombola import data, imp, models, schedules
from tombola.training import Trainer, cosine, sgd

STEPS = 30


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0):
    return models.build("mlp:64-40-10", generator=seeded(seed))


class Recorder:
    """A training loop that remembers how it was called and what it gave back."""

    def __init__(self):
        self.train = Trainer(data.load("digits"), steps=STEPS, batch_size=64, optimiser=sgd(0.05), rate=cosine(STEPS))
        self.calls, self.states, self.results = [], [], []

    def __call__(self, model, masks, *, start, stop, generator):
        self.calls.append((start, stop))
        self.states.append(generator.get_state())
        self.results.append(self.train(model, masks, start=start, stop=stop, generator=generator))
        return self.results[-1]


def levels(rewind, model=None, train=None, **options):
    schedule = schedules.geometric(3, factor=0.5)
    return list(imp.imp(model or net(), train or Recorder(), stop=STEPS, schedule=schedule, rewind=rewind, **options))


def values(model):
    return {name: value.detach() for name, value in model.state_dict().items()}


def assert_is_masked(begun, wanted, masks):
    """Bitwise: the weights that are kept, zeros for the others, everything else as it is."""
    for name, value in values(begun).items():
        mask = masks.get(name, torch.ones_like(value, dtype=torch.bool))
        expected = torch.where(mask, values(wanted)[name], torch.zeros_like(value))
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


@pytest.mark.parametrize("step", [1, 12, STEPS - 1])
def test_weights_go_back_to_those_of_a_step(step):
    train, model = Recorder(), net()
    found = levels(imp.weights(step), model, train)
    assert train.calls == [(0, step)] + [(step, STEPS)] * 4
    generator = seeded()
    generator.set_state(train.states[0])
    theta = train.train(model, {}, start=0, stop=step, generator=generator)
    assert not theta.fc1.bias.equal(model.fc1.bias)
    for level in found:
        assert_is_masked(level.begun, theta, level.masks)
        assert level.step == STEPS


def test_weights_go_back_to_initialisation_by_default():
    train, model = Recorder(), net()
    for level in levels(None, model, train):
        assert_is_masked(level.begun, model, level.masks)
    assert train.calls == [(0, STEPS)] * 4


def test_batch_norm_goes_back_too():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 10))
    found = levels(imp.weights(), model)
    for level in found:
        assert_is_masked(level.begun, model, level.masks)
        assert not level.model[2].running_mean.equal(model[2].running_mean)
        assert list(level.masks) == ["1.weight", "4.weight"]
    assert found[0].begun[2].running_mean.eq(0).all()


@pytest.mark.parametrize(("steps", "start"), [(None, 0), (STEPS, 0), (10, STEPS - 10), (1000, 0)])
def test_the_learning_rate_goes_back_and_weights_stay(steps, start):
    train, model = Recorder(), net()
    found = levels(imp.learning_rate(steps), model, train)
    assert train.calls == [(0, STEPS)] + [(start, STEPS)] * 3
    assert_is_masked(found[0].begun, model, {})
    for before, level in pairwise(found):
        assert_is_masked(level.begun, before.model, level.masks)


def test_fine_tuning_goes_on_past_the_end():
    train = Recorder()
    found = levels(imp.fine_tuning(7), train=train)
    assert train.calls == [(0, STEPS)] + [(STEPS, STEPS + 7)] * 3
    assert [level.step for level in found] == [STEPS] + [STEPS + 7] * 3
    for before, level in pairwise(found):
        assert_is_masked(level.begun, before.model, level.masks)


def test_reinitialisation_draws_new_weights_for_every_level():
    drawn = []

    def initialise(generator):
        drawn.append(models.build("mlp:64-40-10", generator=generator))
        return drawn[-1]

    train, model = Recorder(), net()
    found = levels(imp.reinitialisation(initialise), model, train)
    assert train.calls == [(0, STEPS)] * 4
    assert_is_masked(found[0].begun, model, {})
    for fresh, level in zip(drawn, found[1:], strict=True):
        assert_is_masked(level.begun, fresh, level.masks)
    weights = [values(start)["fc1.weight"] for start in (model, *drawn)]
    assert not any(a.equal(b) for i, a in enumerate(weights) for b in weights[:i])
    again = levels(imp.reinitialisation(initialise))
    for ours, theirs in zip(found, again, strict=True):
        torch.testing.assert_close(values(ours.model), values(theirs.model), rtol=0, atol=0)


def test_a_way_of_ones_own():
    """Biases stay where training left them, weights go back."""

    def begin(remembered, trained, stop, generator):
        mixed = copy.deepcopy(trained)
        mixed.load_state_dict({k: v for k, v in remembered.state_dict().items() if "weight" in k}, strict=False)
        return imp.Begin(mixed, 5, stop)

    train, model = Recorder(), net()
    found = levels(imp.Rewind("half-way", 0, begin), model, train)
    assert train.calls == [(0, STEPS)] + [(5, STEPS)] * 3
    for before, level in pairwise(found):
        assert level.begun.fc1.bias.equal(before.model.fc1.bias)
        assert level.begun.fc1.weight.equal(torch.where(level.masks["fc1.weight"], model.fc1.weight, torch.zeros(())))


@pytest.mark.parametrize("step", [STEPS, STEPS + 1])
def test_a_point_beyond_the_run_is_refused_before_any_training(step):
    train = Recorder()
    with pytest.raises(ValueError, match=f"the rewind point {step} lies beyond the run, which has {STEPS} steps"):
        levels(imp.weights(step), train=train)
    assert train.calls == []


def test_steps_out_of_range_are_refused():
    with pytest.raises(ValueError, match="is 0 or later, got -1"):
        imp.weights(-1)
    for make in (imp.learning_rate, imp.fine_tuning):
        with pytest.raises(ValueError, match="at least one step, got 0"):
            make(0)
