import math

import pytest
import torch
from tests.scores.test_synflow import everything
from torch import nn

from tombola.graph import read_graph
from tombola.masks import count
from tombola.models import cifar_resnet, conv_net, mlp
from tombola.scores import effective_masks, phew
from tombola.scores._walks import Walks, kernels_of
from tombola.select import top


def walked(net, shape, masks=None, seed=0, **options):
    given = {"masks": masks or everything(net), "loss": nn.MSELoss()}
    return phew(
        net,
        [(torch.zeros(1, *shape), torch.zeros(1))],
        **given,
        generator=torch.Generator().manual_seed(seed),
        **options,
    )


def walks_of(net, shape):
    weights = {name: parameter.detach() for name, parameter in net.named_parameters()}
    graph = read_graph(net, torch.zeros(1, *shape))
    return Walks(graph, kernels_of(graph, weights))


def frequencies(steps, name, size):
    return sum(torch.bincount(entries, minlength=size) for found, _, entries in steps if found == name)


def within_four_deviations(counts, probabilities, number):
    wanted = probabilities.flatten().double()
    slack = 4 * (wanted * (1 - wanted) * number).sqrt() + 1e-9
    assert bool(((counts - wanted * number).abs() <= slack).all())


def test_a_step_forward_goes_by_the_modulus_of_the_weights_out_of_a_unit(generator):
    net = mlp([2, 3, 2], bias=False, generator=generator)
    first, last = (parameter.detach().abs().double() for parameter in net.parameters())
    steps, arrived = walks_of(net, (2,)).forward(torch.zeros(20_000, dtype=torch.long), generator)
    assert bool(arrived.all())
    chances = first[:, 0] / first[:, 0].sum()
    entries = torch.zeros(3, 2).double()
    entries[:, 0] = chances
    within_four_deviations(frequencies(steps, "fc1.weight", 6), entries, 20_000)
    within_four_deviations(frequencies(steps, "fc2.weight", 6), last / last.sum(0) * chances, 20_000)


def test_a_step_back_goes_by_those_into_it_and_then_by_the_kernel(generator):
    net = nn.Sequential(nn.Conv2d(4, 6, 2, groups=2, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(6, 1, bias=False))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(generator=generator)
    kernel, last = (parameter.detach().abs().double() for parameter in net.parameters())
    steps, arrived = walks_of(net, (4, 2, 2)).backward(torch.zeros(20_000, dtype=torch.long), generator)
    assert bool(arrived.all())
    chances = last[0] / last.sum()
    within_four_deviations(frequencies(steps, "3.weight", 6), chances, 20_000)
    wanted = chances.view(6, 1, 1, 1) * kernel / kernel.sum((1, 2, 3), keepdim=True)
    within_four_deviations(frequencies(steps, "0.weight", 48), wanted, 20_000)


def test_the_first_walk_is_one_weight_of_each_layer_and_starts_at_the_first_input(generator):
    found = walked(mlp([5, 30, 30, 4], generator=generator), (5,))
    first = {name: (score == 1).nonzero() for name, score in found.items()}
    assert [len(place) for place in first.values()] == [1, 1, 1]
    (a, b, c) = (place[0].tolist() for place in first.values())
    assert a[1] == 0
    assert (b[1], c[1]) == (a[0], b[0])


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda g: mlp([20, 40, 40, 10], generator=g), (20,)),
        (lambda g: conv_net(2, input_shape=(2, 8, 8), width=0.2, generator=g), (2, 8, 8)),
        (lambda g: cifar_resnet(20, input_shape=(3, 16, 16), width=0.5, generator=g), (3, 16, 16)),
    ],
    ids=["mlp", "conv", "resnet"],
)
def test_every_weight_of_whole_walks_is_on_a_path_and_one_walk_may_be_cut_short(make, shape, generator):
    net = make(generator)
    found, example = walked(net, shape, density=0.1), torch.zeros(1, *shape)
    layers = len(found)
    for walks in (1, 20, 300):
        masks = {name: score >= 1 / walks for name, score in found.items()}
        torch.testing.assert_close(effective_masks(net, masks, example), masks)
    total = sum(score.numel() for score in found.values())
    for density in (0.01, 0.05, 0.1):
        masks = top(found, math.ceil(density * total))
        assert count(masks) - count(effective_masks(net, masks, example)) < layers
        assert all(bool((found[name][mask] > 0).all()) for name, mask in masks.items())


def test_no_layer_of_a_resnet_is_left_out_for_a_shortcut(generator):
    net = cifar_resnet(20, input_shape=(3, 8, 8), generator=generator)
    found = walked(net, (3, 8, 8), density=0.01)
    assert min(int((score > 0).sum()) for score in found.values()) > 20


def test_walks_keep_to_the_masks_and_to_paths(generator):
    net = mlp([6, 12, 12, 3], generator=generator)
    masks = {name: torch.rand(mask.shape, generator=generator) < 0.2 for name, mask in everything(net).items()}
    found = walked(net, (6,), masks, density=1.0)
    effective = effective_masks(net, masks, torch.zeros(1, 6))
    assert 0 < count(effective) < count(masks)
    torch.testing.assert_close({name: score > 0 for name, score in found.items()}, effective)


def test_a_network_without_a_path_and_layers_that_were_read_as_one_are_refused(generator):
    net = mlp([3, 4, 2], generator=generator)
    with pytest.raises(ValueError, match="no walk gets from the input to the output"):
        walked(net, (3,), everything(net) | {"fc2.weight": torch.zeros(2, 4, dtype=torch.bool)})
    with pytest.raises(ValueError, match="layers with nothing between them"):
        walked(nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)), (3,))
    with pytest.raises(ValueError, match="density is the kept fraction"):
        walked(net, (3,), density=0.0)
