import pytest
import torch
from torch import nn

from tombola import data, models, schedules, training
from tombola.imp import barrier, imp, sign_agreement


def layer(*weights):
    made = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        made.weight.copy_(torch.tensor([weights]))
    return made


def test_the_height_is_the_top_over_the_mean_of_the_ends():
    found = barrier(layer(1.0), layer(-3.0), lambda net: 4 - abs(float(net.weight.detach())), points=5)
    assert found.alphas.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.errors.tolist() == [3, 4, 3, 2, 1]
    assert found.height == 2


def test_networks_in_between_are_prepared_and_the_ends_are_not():
    seen = []
    barrier(
        layer(0.0), layer(1.0), lambda net: 0.0, points=4, prepare=lambda net: seen.append(float(net.weight.detach()))
    )
    assert seen == pytest.approx([1 / 3, 2 / 3])


def test_the_ends_stay_as_they_are():
    first, second = layer(1.0, 2.0), layer(3.0, 4.0)
    before = [net.weight.detach().clone() for net in (first, second)]
    barrier(first, second, lambda net: 0.0)
    for net, value in zip((first, second), before, strict=True):
        torch.testing.assert_close(net.weight.detach(), value, rtol=0, atol=0)


def test_counts_of_batches_are_not_mixed():
    first, second = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    second.num_batches_tracked.fill_(7)
    kept = []
    barrier(first, second, lambda net: float(kept.append(int(net.num_batches_tracked)) is None), points=3)
    assert kept == [0, 0, 0]


def test_networks_of_other_builds_are_refused():
    with pytest.raises(ValueError, match="not of the same build"):
        barrier(layer(1.0), layer(1.0, 2.0), lambda net: 0.0)
    with pytest.raises(ValueError, match="at least two points"):
        barrier(layer(1.0), layer(1.0), lambda net: 0.0, points=1)


def test_signs_are_compared_where_weights_are_kept():
    masks = {"weight": torch.tensor([[True, True, False, True]])}
    assert sign_agreement(layer(1.0, -1.0, 1.0, 2.0), layer(2.0, 1.0, -1.0, 5.0), masks) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="no weight is kept"):
        sign_agreement(layer(1.0), layer(1.0), {"weight": torch.tensor([[False]])})


def test_small_networks_on_digits_are_stable_from_the_beginning():
    digits = data.load("digits")
    net = models.build("mlp:64-100-10", generator=torch.Generator().manual_seed(0))
    train = training.Trainer(digits, steps=500, batch_size=64, optimiser=training.sgd(0.1, momentum=0.0))
    levels = list(imp(net, train, stop=500, schedule=schedules.geometric(3, factor=0.5)))

    def error(model):
        return 1 - training.evaluate(model, *digits.test()).accuracy

    for level in (levels[0], levels[-1]):
        again = train(level.begun, level.masks, start=0, stop=500, generator=torch.Generator().manual_seed(99))
        found = barrier(level.model, again, error, points=11)
        assert found.errors[[0, -1]].max() < 0.1
        assert found.height < 0.02
        assert 0.9 < sign_agreement(level.model, again, level.masks) <= 1
