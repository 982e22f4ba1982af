import copy

import pytest
import torch
from torch import nn

from tombola import data, models
from tombola.imp import imp, prunable
from tombola.masks import count
from tombola.schedules import geometric
from tombola.training import Trainer, adam
from tombola.transfer import Carried, masks_and_signs, masks_and_weights, masks_only, random_control

WAYS = [masks_only, masks_and_signs, masks_and_weights]


def net(seed=0, classes=5):
    return models.build(f"mlp:12-20-{classes}", generator=torch.Generator().manual_seed(seed))


def some(model, density=0.3):
    draw = torch.Generator().manual_seed(7)
    return {name: torch.rand(model.get_parameter(name).shape, generator=draw) < density for name in prunable(model)}


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("carry", WAYS)
def test_masks_are_carried_over_and_pruned_weights_are_zero(carry):
    old, new = net(0), net(1)
    found = carry(old, some(old), new)
    assert found.redrawn == ()
    for name, mask in some(old).items():
        assert found.masks[name].equal(mask)
        assert (found.model.get_parameter(name)[~mask] == 0).all()
        assert (found.model.get_parameter(name)[mask] != 0).all()


def test_what_each_way_takes_from_whom():
    old, new = net(0), net(1)
    masks = some(old)
    made = [carry(old, masks, new).model for carry in WAYS]
    for name, mask in masks.items():
        ours, theirs = old.get_parameter(name)[mask], new.get_parameter(name)[mask]
        only, signs, weights = (one.get_parameter(name)[mask] for one in made)
        assert only.equal(theirs)
        assert signs.equal(ours.sign() * theirs.abs())
        assert weights.equal(ours)
    biases = [one.get_parameter("fc1.bias") for one in made]
    assert biases[0].equal(new.fc1.bias)
    assert biases[1].equal(new.fc1.bias)
    assert biases[2].equal(old.fc1.bias)


@pytest.mark.parametrize("carry", WAYS)
def test_an_output_layer_of_another_size_is_fresh_and_never_pruned(carry):
    old, new = net(0, classes=5), net(1, classes=3)
    found = carry(old, some(old), new)
    assert found.redrawn == ("fc2.weight", "fc2.bias")
    assert list(found.masks) == ["fc1.weight"]
    assert found.model.fc2.weight.equal(new.fc2.weight)
    assert found.model.fc2.bias.equal(new.fc2.bias)
    assert int((found.model.fc1.weight != 0).sum()) == count(found.masks)


@pytest.mark.parametrize("carry", WAYS)
def test_an_output_layer_of_the_same_size_is_fresh_if_asked_for(carry):
    old, new = net(0), net(1)
    found = carry(old, some(old), new, output="fc2")
    assert found.redrawn == ("fc2.weight", "fc2.bias")
    assert list(found.masks) == ["fc1.weight"]
    assert found.model.fc2.weight.equal(new.fc2.weight)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("carry", WAYS)
def test_source_and_target_stay_as_they_are(carry):
    old, new = net(0), net(1)
    masks = some(old)
    before = state(old), state(new), copy.deepcopy(masks)
    found = carry(old, masks, new)
    with torch.no_grad():
        found.model.fc1.weight.fill_(9.0)
    for model, values in ((old, before[0]), (new, before[1])):
        assert all(value.equal(values[name]) for name, value in model.state_dict().items())
    assert all(mask.equal(before[2][name]) for name, mask in masks.items())


def test_statistics_of_batch_norm_go_with_the_weights():
    old, new = (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2)) for _ in range(2))
    old[1].running_mean.fill_(5.0)
    assert masks_and_weights(old, {}, new).model[1].running_mean.tolist() == [5.0, 5.0]
    assert masks_only(old, {}, new).model[1].running_mean.tolist() == [0.0, 0.0]


def test_networks_of_another_build_are_refused():
    with pytest.raises(ValueError, match="of other widths `elastic_width`; other inputs are not offered"):
        masks_only(net(), {}, models.build("mlp:12-30-5", generator=torch.Generator()))
    with pytest.raises(ValueError, match="not of one build"):
        masks_and_weights(net(), {}, models.build("mlp:12-20-20-5", generator=torch.Generator()))
    with pytest.raises(ValueError, match="no layer 'fc9'"):
        masks_only(net(), {}, net(1), output="fc9")
    with pytest.raises(ValueError, match="names no parameter"):
        masks_only(net(), {"fc9.weight": torch.ones(1, dtype=torch.bool)}, net(1))
    other = nn.Linear(2, 2)
    other.register_buffer("extra", torch.zeros(3))
    with pytest.raises(ValueError, match="'extra' of the target"):
        masks_and_weights(nn.Linear(2, 2), {}, other)


def test_the_control_keeps_as_many_of_each_layer_elsewhere_on_other_weights():
    old, new = net(0), net(1)
    masks = some(old)
    found = random_control(masks, new, generator=torch.Generator().manual_seed(3))
    for name, mask in masks.items():
        assert int(found.masks[name].sum()) == int(mask.sum())
        assert not found.masks[name].equal(mask)
        assert found.model.get_parameter(name).equal(new.get_parameter(name) * found.masks[name])


def test_a_ticket_of_pruning_is_trained_on_by_another_optimiser():
    digits = data.load("digits")
    net = models.build("mlp:64-20-10", generator=torch.Generator().manual_seed(0))
    *_, level = imp(net, Trainer(digits, 40), stop=40, schedule=geometric(2, factor=0.5))
    rewound, trained = (masks_and_weights(model, level.masks, net) for model in (level.begun, level.model))
    assert rewound.model.fc1.weight.equal(net.fc1.weight * level.masks["fc1.weight"])
    assert trained.model.fc1.weight.equal(level.model.fc1.weight)
    train = Trainer(digits, 20, optimiser=adam())
    done = train(rewound.model, rewound.masks, start=0, stop=20, generator=torch.Generator().manual_seed(1))
    assert isinstance(rewound, Carried)
    assert (done.fc1.weight[~rewound.masks["fc1.weight"]] == 0).all()
    assert not done.fc1.weight.equal(rewound.model.fc1.weight)
