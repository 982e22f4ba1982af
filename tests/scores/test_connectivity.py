from itertools import product

import pytest
import torch
from tests.scores.test_synflow import everything
from torch import nn

from tombola.masks import count
from tombola.models import cifar_resnet, conv_net, mlp
from tombola.scores import effective_density, effective_masks, is_collapsed, synflow

exactly = torch.testing.assert_close


def on_paths(masks):
    """The weights of an MLP that lie on paths, by going through every path."""
    layers = list(masks.values())
    widths = [layers[0].shape[1], *(mask.shape[0] for mask in layers)]
    found = {name: torch.zeros_like(mask) for name, mask in masks.items()}
    for path in product(*map(range, widths)):
        if all(mask[b, a] for mask, a, b in zip(layers, path, path[1:], strict=False)):
            for mask, a, b in zip(found.values(), path, path[1:], strict=False):
                mask[b, a] = True
    return found


@pytest.mark.parametrize("density", [0.2, 0.35, 0.6])
def test_the_paths_of_an_mlp_one_by_one(generator, density):
    net = mlp([5, 6, 4, 3], generator=generator)
    for _ in range(5):
        masks = {name: torch.rand(mask.shape, generator=generator) < density for name, mask in everything(net).items()}
        wanted = on_paths(masks)
        exactly(effective_masks(net, masks, torch.zeros(1, 5)), wanted)
        assert is_collapsed(net, masks, torch.zeros(1, 5)) == (count(wanted) == 0)
        assert effective_density(net, masks, torch.zeros(1, 5)) == count(wanted) / 66


def test_pruning_what_is_not_effective_changes_no_output_and_pruning_what_is_does(generator):
    """An effective weight matters at some input; with positive weights, and without biases, at all positive ones."""
    net = conv_net(2, input_shape=(1, 4, 4), width=0.05, bias=False, generator=generator).double().eval()
    masks = {name: torch.rand(mask.shape, generator=generator) < 0.25 for name, mask in everything(net).items()}
    x = torch.rand(1, 1, 4, 4, generator=generator, dtype=torch.float64) + 0.1
    for i, layer in enumerate(net):
        if isinstance(layer, nn.MaxPool2d):
            net[i] = nn.AvgPool2d(layer.kernel_size)
    effective = effective_masks(net, masks, x)
    assert 0 < count(effective) < count(masks)
    with torch.no_grad():
        for name, mask in masks.items():
            net.get_parameter(name).abs_().mul_(mask)
        before = net(x)
        for name, mask in masks.items():
            weight = net.get_parameter(name)
            for place in mask.flatten().nonzero().flatten().tolist():
                kept = weight.view(-1)[place].clone()
                weight.view(-1)[place] = 0
                assert bool((net(x) != before).any()) == bool(effective[name].view(-1)[place]), (name, place)
                weight.view(-1)[place] = kept


def test_they_are_where_synflow_is_positive(generator):
    net = cifar_resnet(20, width=0.25, input_shape=(3, 16, 16), generator=generator)
    masks = {name: torch.rand(mask.shape, generator=generator) < 0.02 for name, mask in everything(net).items()}
    example = torch.zeros(1, 3, 16, 16)
    found = synflow(net, [(example, torch.zeros(1))], masks=masks, loss=nn.MSELoss(), generator=generator)
    effective = effective_masks(net, masks, example)
    assert 0 < count(effective) < count(masks)
    exactly(effective, {name: score > 0 for name, score in found.items()})


def test_an_empty_layer_beside_a_shortcut_is_no_collapse_and_full_layers_that_miss_each_other_are(generator):
    net = cifar_resnet(20, width=0.25, input_shape=(3, 8, 8), generator=generator)
    masks, example = everything(net), torch.zeros(1, 3, 8, 8)
    masks["stage1.block2.conv1.weight"][:] = False
    assert not is_collapsed(net, masks, example)
    assert not effective_masks(net, masks, example)["stage1.block2.conv2.weight"].any()
    masks["conv1.weight"][1:] = False
    masks["stage1.block1.conv1.weight"][:, :1] = False
    assert not is_collapsed(net, masks, example)
    masks["fc.weight"][:] = False
    assert is_collapsed(net, masks, example)


def test_a_weight_that_has_no_mask_is_kept_and_the_values_are_not_read():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    net[0].weight.data.fill_(torch.nan)
    net[1].weight.data.zero_()
    masks = {"0.weight": torch.eye(2, dtype=torch.bool)}
    exactly(effective_masks(net, masks, torch.zeros(3, 2)), masks)


def test_a_tap_that_sees_only_padding_is_on_no_path():
    net = nn.Conv2d(1, 1, 3, padding=1)
    found = effective_masks(net, everything(net), torch.zeros(1, 1, 1, 1))["weight"]
    assert found.flatten().nonzero().flatten().tolist() == [4]


def test_three_hundred_layers(generator):
    net = nn.Sequential(*[nn.Linear(3, 3, bias=False) for _ in range(300)])
    masks = everything(net)
    assert effective_density(net, masks, torch.zeros(1, 3)) == 1
    masks["150.weight"][1:] = False
    found = effective_masks(net, masks, torch.zeros(1, 3))
    assert found["151.weight"].tolist() == [[True, False, False]] * 3
    assert count(found) == 2700 - 6 - 6
