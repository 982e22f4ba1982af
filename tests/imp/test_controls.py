import pytest
import torch
from torch import nn

from tombola import models
from tombola.imp import prunable, reinitialised, shuffled
from tombola.masks import count


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0):
    return models.build("mlp:12-20-5", generator=seeded(seed))


def some(model, density=0.2):
    draw = seeded(7)
    return {name: torch.rand(model.get_parameter(name).shape, generator=draw) < density for name in prunable(model)}


def test_kept_signs_worked_by_hand():
    old, new = nn.Linear(3, 1), nn.Linear(3, 1)
    with torch.no_grad():
        old.weight.copy_(torch.tensor([[0.1, -0.2, -0.3]]))
        new.weight.copy_(torch.tensor([[-1.0, -2.0, 3.0]]))
    masks = {"weight": torch.tensor([[True, True, False]])}
    signs = reinitialised(old, new, masks, keep_signs=True)
    assert signs.weight.tolist() == [[1.0, -2.0, -3.0]]
    sizes = reinitialised(old, new, masks, keep_magnitudes=True)
    torch.testing.assert_close(sizes.weight.data, torch.tensor([[-0.1, -0.2, 0.3]]), rtol=0, atol=0)
    assert reinitialised(old, new, masks).weight.equal(new.weight)


@pytest.mark.parametrize("keep", [{}, {"keep_signs": True}, {"keep_magnitudes": True}])
def test_signs_and_magnitudes_are_of_whom_they_should_be(keep):
    old, new = net(0), net(1)
    control = reinitialised(old, new, some(old), **keep)
    signs = old if "keep_signs" in keep else new
    sizes = old if "keep_magnitudes" in keep else new
    for name in prunable(old):
        weight = control.get_parameter(name)
        assert weight.sign().equal(signs.get_parameter(name).sign())
        assert weight.abs().equal(sizes.get_parameter(name).abs())
    for name in ("fc1.bias", "fc2.bias"):
        assert control.get_parameter(name).equal(new.get_parameter(name))


def test_only_named_parameters_keep_something():
    old, new = net(0), net(1)
    control = reinitialised(old, new, {"fc2.weight": some(old)["fc2.weight"]}, keep_signs=True)
    assert control.fc1.weight.equal(new.fc1.weight)
    assert control.fc2.weight.sign().equal(old.fc2.weight.sign())


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("keep", [{}, {"keep_signs": True}, {"keep_magnitudes": True}])
def test_both_models_stay_and_the_control_is_new(keep):
    old, new = net(0), net(1)
    before = [parameter.detach().clone() for model in (old, new) for parameter in model.parameters()]
    control = reinitialised(old, new, some(old), **keep)
    with torch.no_grad():
        for parameter in control.parameters():
            parameter.fill_(5.0)
    after = [parameter.detach() for model in (old, new) for parameter in model.parameters()]
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_to_keep_both_is_refused():
    with pytest.raises(ValueError, match="with both signs and magnitudes kept nothing is new"):
        reinitialised(net(0), net(1), some(net(0)), keep_signs=True, keep_magnitudes=True)


@pytest.mark.parametrize("across_layers", [False, True])
def test_shuffled_masks_keep_as_many_weights(across_layers):
    masks = some(net())
    before = {name: mask.clone() for name, mask in masks.items()}
    for seed in range(10):
        mixed = shuffled(masks, generator=seeded(seed), across_layers=across_layers)
        assert count(mixed) == count(masks)
        for name, mask in mixed.items():
            assert (mask.shape, mask.dtype) == (masks[name].shape, torch.bool)
            assert not mask.equal(masks[name])
            assert across_layers or mask.sum() == masks[name].sum()
    torch.testing.assert_close(masks, before)


def test_across_layers_the_counts_of_layers_change():
    masks = {"a": torch.ones(10, 10, dtype=torch.bool), "b": torch.zeros(10, 10, dtype=torch.bool)}
    kept = [int(shuffled(masks, generator=seeded(seed), across_layers=True)["a"].sum()) for seed in range(20)]
    assert len(set(kept)) > 1
    assert all(30 <= number <= 70 for number in kept)  # hypergeometric: 50 +- 3.5


@pytest.mark.parametrize("across_layers", [False, True])
def test_every_position_is_as_likely(across_layers):
    masks = {"a": torch.tensor([True, False, False, False]), "b": torch.tensor([[True], [False], [False], [False]])}
    draw = seeded()
    times = sum(
        torch.cat([mask.flatten() for mask in shuffled(masks, generator=draw, across_layers=across_layers).values()])
        for _ in range(2000)
    )
    assert (times - 500).abs().max() < 100  # five standard deviations of sqrt(2000 * 3 / 16)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("across_layers", [False, True])
def test_the_choice_follows_from_the_generator(across_layers):
    first, same, other = (
        shuffled(some(net()), generator=seeded(seed), across_layers=across_layers) for seed in (1, 1, 2)
    )
    torch.testing.assert_close(first, same)
    assert not first["fc1.weight"].equal(other["fc1.weight"])


@pytest.mark.parametrize("across_layers", [False, True])
def test_full_and_empty_masks_stay(across_layers):
    for value in (True, False):
        masks = {"a": torch.full((3, 2), value), "b": torch.full((2,), value)}
        torch.testing.assert_close(shuffled(masks, generator=seeded(), across_layers=across_layers), masks)
