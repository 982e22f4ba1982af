import copy

import pytest
import torch
from torch import nn

from tombola import data
from tombola.data import DataSet, Scaling
from tombola.transfer import Carried, input_skew, zero_shot


def onehot(wrong, total=100, classes=10):
    """Examples whose largest entry is their label, but for some."""
    labels = torch.arange(total) % classes
    x = nn.functional.one_hot((labels + (torch.arange(total) < wrong)) % classes, classes).float()
    return DataSet("made", x, labels, x[:1], labels[:1], Scaling("none"))


def identity(classes=10):
    layer = nn.Linear(classes, classes, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.eye(classes))
    return Carried(layer, {})


@pytest.mark.parametrize(("wrong", "is_vetoed"), [(0, False), (97, False), (98, True), (100, True)])
def test_errors_and_the_veto_at_98_per_cent_of_ten_classes(wrong, is_vetoed):
    found = zero_shot(identity(), onehot(wrong))
    assert found.error == pytest.approx(wrong / 100)
    assert found.chance == pytest.approx(0.9)
    assert found.is_vetoed is is_vetoed


def test_the_veto_follows_the_number_of_classes():
    labels = torch.arange(100) % 2
    for wrong, is_vetoed in ((89, False), (91, True)):
        x = nn.functional.one_hot((labels + (torch.arange(100) < wrong)) % 2, 2).float()
        found = zero_shot(identity(2), DataSet("two", x, labels, x, labels, Scaling("none")))
        assert (found.chance, found.is_vetoed) == (0.5, is_vetoed)


def test_only_the_first_training_examples_are_looked_at():
    assert zero_shot(identity(), onehot(50), limit=50).error == 1.0
    assert zero_shot(identity(), onehot(50), limit=None).error == 0.5


def test_a_new_output_layer_has_no_veto():
    found = zero_shot(Carried(identity().model, {}, ("weight",)), onehot(100))
    assert not found.is_vetoed
    assert "output layer is new" in found.refusals[0]


def test_statistics_of_batch_norm_are_of_the_target_and_the_model_stays():
    net = nn.Sequential(nn.BatchNorm1d(10), identity().model)
    net[0].running_mean.copy_(torch.arange(10) * 100.0)
    before = copy.deepcopy(net.state_dict())
    assert zero_shot(Carried(net, {}), onehot(0)).error == 0.0
    assert all(value.equal(before[name]) for name, value in net.state_dict().items())
    assert net.training


def test_skews_turn_with_the_signs_of_inputs_and_not_with_their_places():
    digits = data.load("digits")
    x, y = digits.train()
    skews = [
        input_skew(DataSet("made", values, y, values[:1], y[:1], Scaling("none")))
        for values in (x, 1 - x, x.flatten(1)[:, torch.randperm(64)])
    ]
    assert skews[1] == pytest.approx(-skews[0])
    assert skews[2] == pytest.approx(skews[0])
    peaks = torch.tensor([[0.0]] * 9 + [[10.0]])
    labels = torch.zeros(10, dtype=torch.int64)
    assert input_skew(DataSet("peaks", peaks, labels, peaks, labels, Scaling("none"))) == pytest.approx(8 / 3)
    with pytest.raises(ValueError, match="do not vary"):
        input_skew(DataSet("flat", torch.ones(3, 2), labels[:3], torch.ones(1, 2), labels[:1], Scaling("none")))
