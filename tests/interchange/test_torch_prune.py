"""Masks in the hands of torch's own pruning, and back: the same function, and errors before anything is changed."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.testing import assert_close

from tombola import models
from tombola.interchange import from_state_dict, to_torch_prune_
from tombola.masks import bake_

SHAPE = (3, 8, 8)


def net(name="conv-2x0.1", seed=0):
    return models.build(name, input_shape=SHAPE, classes=4, generator=torch.Generator().manual_seed(seed))


def drawn(model, generator):
    """Masks of all weights and of one bias."""
    masks = {n: torch.rand(p.shape, generator=generator) < 0.4 for n, p in model.named_parameters() if p.ndim > 1}
    return masks | {"fc1.bias": torch.arange(len(model.fc1.bias)) % 2 == 0} if hasattr(model, "fc1") else masks


def same(masks, others):
    return masks.keys() == others.keys() and all(mask.equal(others[name]) for name, mask in masks.items())


@pytest.mark.parametrize("name", ["conv-2x0.1", "resnet-20x0.25"])
def test_there_and_back_it_is_the_same_network_at_every_step(name, generator):
    model, x = net(name).eval(), torch.randn(5, *SHAPE, generator=generator)
    masks = drawn(model, generator)
    pruned, baked = copy.deepcopy(model), copy.deepcopy(model)
    to_torch_prune_(pruned, masks)
    bake_(baked, masks)
    assert_close(pruned(x), baked(x), rtol=0, atol=0)
    weights, found = from_state_dict(pruned.state_dict())
    assert same(found, masks)
    back = net(name, seed=1).eval()
    back.load_state_dict(weights)  # strict: names are those of a plain model, buffers included
    assert_close(dict(back.named_parameters()), dict(model.named_parameters()), rtol=0, atol=0)
    to_torch_prune_(back, found)
    assert_close(back(x), pruned(x), rtol=0, atol=0)


def test_what_torch_itself_has_pruned_is_read(generator):
    model = net()
    prune.global_unstructured([(model.conv1, "weight"), (model.fc1, "weight")], prune.L1Unstructured, amount=0.7)
    prune.l1_unstructured(model.fc2, "bias", amount=2)
    weights, masks = from_state_dict(model.state_dict())
    assert set(masks) == {"conv1.weight", "fc1.weight", "fc2.bias"}
    back, x = net(seed=1), torch.randn(2, *SHAPE, generator=generator)
    back.load_state_dict(weights)
    bake_(back, masks)
    assert_close(back(x), model(x), rtol=0, atol=0)


def test_torchs_own_tools_see_the_masks_and_can_take_them_off(generator):
    model = net()
    masks = drawn(model, generator)
    to_torch_prune_(model, masks)
    assert prune.is_pruned(model)
    prune.random_unstructured(model.fc1, "weight", amount=0.5)  # torch combines the two
    assert not (model.fc1.weight_mask.bool() & ~masks["fc1.weight"]).any()
    for name in masks:
        path, _, leaf = name.rpartition(".")
        prune.remove(model.get_submodule(path), leaf)
    assert not model.fc2.weight[~masks["fc2.weight"]].any()


def test_a_copy_is_possible_until_gradients_are_recorded_and_again_afterwards(generator):
    model, x = net(), torch.randn(2, *SHAPE, generator=generator)
    to_torch_prune_(model, drawn(model, generator))
    twin = copy.deepcopy(model)
    out = model(x)
    assert_close(twin(x), out, rtol=0, atol=0)
    with torch.no_grad():
        model(x)
    twin = copy.deepcopy(model)
    twin.fc1.weight_orig.data.zero_()
    assert_close(model(x), out, rtol=0, atol=0)  # the copy is one of its own
    assert not twin(x).equal(out)


def test_training_goes_through_the_mask(generator):
    model, x = net(), torch.randn(8, *SHAPE, generator=generator)
    masks = drawn(model, generator)
    to_torch_prune_(model, masks)
    before = model.fc1.weight_orig.detach().clone()
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    model(x).square().sum().backward()
    optimiser.step()
    mask = masks["fc1.weight"]
    assert model.fc1.weight_orig[~mask].equal(before[~mask])
    assert not model.fc1.weight_orig[mask].equal(before[mask])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.b.weight = self.a.weight


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ({"c.weight": torch.ones(3, 3).bool()}, "'c.weight' names no parameter"),
        ({"a.bias": torch.ones(3).bool(), "b.bias": torch.ones(4).bool()}, r"wanted torch.bool of shape \(3,\)"),
        ({"a.bias": torch.ones(3)}, "torch.float32 of shape"),
        ({"a.bias": torch.ones(3).bool(), "a.weight": torch.ones(3, 3).bool()}, "'a.weight' is shared by modules"),
    ],
)
def test_bad_masks_are_refused_and_nothing_is_changed(masks, said):
    model = Tied()
    with pytest.raises(ValueError, match=said):
        to_torch_prune_(model, masks)
    assert not prune.is_pruned(model)
