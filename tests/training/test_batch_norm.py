import copy

import pytest
import torch
from torch import nn

from tombola import data, models
from tombola.imp import barrier
from tombola.training import Trainer, evaluate, reestimate_batch_norm_


def net():
    with torch.random.fork_rng(devices=[]):
        return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 2))


def x(generator, count=20):
    return 3 + 2 * torch.randn(count, 4, generator=generator)


def test_two_batches_worked_by_hand():
    layer = nn.BatchNorm1d(1, momentum=0.3)
    layer.running_mean.fill_(50.0)
    assert reestimate_batch_norm_(layer, [torch.tensor([[1.0], [3.0]]), torch.tensor([[4.0], [8.0]])]) == 1
    # means 2 and 6; unbiased variances 2 and 8
    assert (layer.running_mean.item(), layer.running_var.item(), int(layer.num_batches_tracked)) == (4.0, 5.0, 2)
    assert layer.momentum == 0.3


def test_in_one_batch_they_are_the_statistics_of_all_inputs(generator):
    model, inputs = net(), x(generator)
    before = model[0](inputs).detach()
    assert reestimate_batch_norm_(model, inputs) == 1
    torch.testing.assert_close(model[1].running_mean, before.mean(0))
    torch.testing.assert_close(model[1].running_var, before.var(0))


def test_a_later_layer_sees_what_the_one_before_makes_of_the_batch(generator):
    model = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    inputs = x(generator)
    assert reestimate_batch_norm_(model, inputs) == 2
    normal = (inputs - inputs.mean(0)) / (inputs.var(0, unbiased=False) + model[0].eps).sqrt()
    seen = model[1](normal).detach()
    torch.testing.assert_close(model[2].running_mean, seen.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model[2].running_var, seen.var(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_batches_that_are_cut_are_equal_or_nearly_so(generator, batch_size):
    sizes = []
    layer = nn.BatchNorm2d(2)
    model = nn.Sequential(nn.Identity(), layer)
    model[0].register_forward_hook(lambda module, args, out: sizes.append(len(out)))
    reestimate_batch_norm_(model, torch.randn(10, 2, 3, 3, generator=generator), batch_size=batch_size)
    assert sum(sizes) == 10
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert int(layer.num_batches_tracked) == len(sizes)


def test_nothing_of_the_old_statistics_is_left(generator):
    model, inputs = net(), x(generator)
    other = copy.deepcopy(model)
    other[1].running_mean.fill_(float("nan"))
    other[1].running_var.fill_(1e9)
    for each in (model, other):
        reestimate_batch_norm_(each, inputs, batch_size=6)
    torch.testing.assert_close(model.state_dict(), other.state_dict(), rtol=0, atol=0)


@pytest.mark.usefixtures("untouched")
def test_all_else_stays(generator):
    model, inputs = net(), x(generator)
    model[4].eval()
    model[1].eval()
    values, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    assert reestimate_batch_norm_(model, inputs) == 1
    assert [module.training for module in model.modules()] == modes
    assert model[1].momentum == 0.1
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    for name, value in model.state_dict().items():
        assert value.equal(values[name]) == (name not in {"1.running_mean", "1.running_var", "1.num_batches_tracked"})


@pytest.mark.parametrize("model", [nn.Linear(4, 2), nn.BatchNorm1d(4, track_running_stats=False)])
def test_without_statistics_nothing_is_done(generator, model):
    assert reestimate_batch_norm_(model, x(generator)) == 0
    assert reestimate_batch_norm_(model, []) == 0


@pytest.mark.parametrize(
    ("inputs", "error", "said"),
    [
        ([], ValueError, "no inputs"),
        (torch.zeros(0, 4), ValueError, "no inputs"),
        (iter([(torch.zeros(2, 4), torch.zeros(2))]), TypeError, "a batch is a tensor of inputs, got tuple"),
        ([torch.ones(2, 4), torch.zeros(2, 5)], RuntimeError, "shapes cannot be multiplied"),
        (torch.ones(1, 4), ValueError, "more than 1 value"),
    ],
)
def test_what_fails_leaves_the_statistics(inputs, error, said):
    model = net()
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(error, match=said):
        reestimate_batch_norm_(model, inputs)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model[1].training


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        reestimate_batch_norm_(net(), torch.zeros(2, 4), batch_size=0)


def test_between_two_networks_the_statistics_of_neither_will_do():
    """Of two independent inputs each has variance 1, and so has each network's; that of their mean is one half."""
    x = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]) * 0.75**0.5
    ends = [nn.Sequential(nn.Linear(2, 1, bias=False), nn.BatchNorm1d(1)) for _ in range(2)]
    for end, weight in zip(ends, ([[1.0, 0.0]], [[0.0, 1.0]]), strict=True):
        end[0].weight.data.copy_(torch.tensor(weight))
        reestimate_batch_norm_(end, x)

    def variance(network):
        return float(network[1].running_var)

    assert barrier(*ends, variance, points=3).errors == pytest.approx([1, 1, 1])
    prepared = barrier(*ends, variance, points=3, prepare=lambda network: reestimate_batch_norm_(network, x))
    assert prepared.errors == pytest.approx([1, 0.5, 1])


def test_the_statistics_of_all_examples_are_as_good_as_those_that_training_left():
    digits = data.load("digits")
    plain = models.build("mlp:64-100-10", generator=torch.Generator().manual_seed(0))
    model = nn.Sequential(plain.flatten, plain.fc1, nn.BatchNorm1d(100), nn.ReLU(), plain.fc2)
    train = Trainer(digits, steps=100, batch_size=64)
    trained = train(model, {}, start=0, stop=100, generator=torch.Generator().manual_seed(0))
    before = evaluate(trained, *digits.test()).accuracy
    trained[2].reset_running_stats()
    assert evaluate(trained, *digits.test()).accuracy < before - 0.05
    assert reestimate_batch_norm_(trained, digits.train()[0]) == 1
    assert evaluate(trained, *digits.test()).accuracy > before - 0.01
