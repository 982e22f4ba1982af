import copy
from functools import partial

import pytest
import torch
from tests.scores.test_synflow import everything, he_normal_, scored
from torch import nn

from tombola.masks import count, kept_count
from tombola.models import cifar_resnet, conv_net, mlp, vgg
from tombola.scores import effective_density, is_collapsed, synflow_masks
from tombola.scores._synflow_masks import _mark_, _threshold
from tombola.select import top
from tombola.sketch import sketch

exactly = partial(torch.testing.assert_close, rtol=0, atol=0)


def in_rounds(net, shape, density, rounds, masks=None):
    """The loop as it is written: a new copy, all scores and `top` in every round."""
    masks = masks or everything(net)
    total = sum(mask.numel() for mask in masks.values())
    for t in range(1, rounds + 1):
        found = scored(net, masks, shape=shape)
        below = {name: score.masked_fill(~masks[name], -torch.inf) for name, score in found.items()}
        kept = kept_count(total, density ** (t / rounds))
        masks = top(below, kept) if kept < count(masks) else masks
    return masks


@pytest.mark.parametrize("density", [0.5, 0.1, 0.03])
def test_the_same_masks_as_the_loop_on_an_mlp(generator, density):
    net = mlp([12, 40, 30, 7], generator=generator)
    exactly(
        synflow_masks(net, torch.zeros(4, 12), masks=everything(net), density=density, rounds=30),
        in_rounds(net, (12,), density, 30),
    )


def test_nearly_the_same_masks_on_a_residual_network(generator):
    """All but those whose scores are equal to the last bits, as of the only weights into and out of a unit."""
    net = cifar_resnet(20, width=0.5, generator=generator)
    example, masks = torch.zeros(1, 3, 32, 32), everything(net)
    found = synflow_masks(net, example, masks=masks, density=0.02, rounds=12)
    wanted = in_rounds(net, (3, 32, 32), 0.02, 12)
    assert count(found) == count(wanted)
    assert sum(int((found[name] & wanted[name]).sum()) for name in found) >= 0.995 * count(wanted)


@pytest.mark.usefixtures("untouched")
def test_counts_are_exact_and_nothing_of_the_model_changes(generator):
    net = conv_net(2, input_shape=(1, 8, 8), width=0.25, generator=generator).train()
    state, masks = copy.deepcopy(net.state_dict()), everything(net)
    total = sum(mask.numel() for mask in masks.values())
    for density in (1.0, 0.3, 0.004):
        found = synflow_masks(net, torch.rand(2, 1, 8, 8, generator=generator), masks=masks, density=density, rounds=7)
        assert count(found) == kept_count(total, density)
    exactly(dict(net.state_dict()), dict(state))
    assert net.training
    assert all(parameter.grad is None for parameter in net.parameters())


def test_what_was_pruned_stays_pruned_also_where_kept_weights_are_zero(generator):
    net = mlp([6, 10, 4], bias=False, generator=generator)
    with torch.no_grad():
        net.fc1.weight[:, :4] = 0
    masks = {name: torch.rand(mask.shape, generator=generator) < 0.7 for name, mask in everything(net).items()}
    found = synflow_masks(net, torch.zeros(1, 6), masks=masks, density=0.6, rounds=3)
    assert count(found) == 60
    assert all(not (found[name] & ~masks[name]).any() for name in masks)


def test_layers_whose_weight_is_used_twice_or_elsewhere_are_not_narrowed(generator):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.twice, self.other = nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False)

        def forward(self, x):
            x = self.other(self.twice(self.twice(x)))
            return x @ self.other.weight

    net = Odd()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(generator=generator)
    found = synflow_masks(net, torch.zeros(1, 8), masks=everything(net), density=0.05, rounds=20)
    exactly(found, in_rounds(net, (8,), 0.05, 20))


def test_grouped_convolutions(generator):
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 8, 1, groups=8), nn.Flatten(), nn.Linear(32, 3)
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(generator=generator)
    example = torch.zeros(1, 4, 4, 4)
    found = synflow_masks(net, example, masks=everything(net), density=0.1, rounds=10)
    exactly(found, in_rounds(net, (4, 4, 4), 0.1, 10))


def test_few_weights_are_stranded_by_a_hundred_rounds(generator):
    net = mlp([64, 100, 100, 100, 10], generator=generator)
    masks = synflow_masks(net, torch.zeros(1, 64), masks=everything(net), density=0.02)
    assert effective_density(net, masks, torch.zeros(1, 64)) >= 0.98 * 0.02


@pytest.mark.parametrize("kept", [1, 5, 6, 9, 10, 60, 60_000])
def test_the_last_of_equal_scores_go(kept):
    """Beside `top`, where equal scores are on both sides of the threshold."""
    scores = [
        torch.zeros(10),
        torch.full((7, 1), 2.0),
        torch.rand(70_000, generator=torch.Generator().manual_seed(0)).add_(1e-3),
        torch.full((4,), 2.0),
    ]
    for score in (scores[1], scores[3]):
        score[0] = 3
    found = _threshold(scores, kept)
    wanted = top({str(i): score for i, score in enumerate(scores)}, kept)
    assert found is not None
    _mark_(scores, *found)
    exactly({str(i): score.bool() for i, score in enumerate(scores)}, wanted)


def test_rounds_must_be_at_least_1(generator):
    net = mlp([3, 2], generator=generator)
    with pytest.raises(ValueError, match="rounds must be at least 1, got 0"):
        synflow_masks(net, torch.zeros(1, 3), masks=everything(net), density=0.5, rounds=0)


@pytest.mark.slow
def test_vgg_16_at_one_percent_loses_layers_in_one_round_and_none_in_a_hundred(generator):
    net = vgg(16, bias=False, generator=generator)
    he_normal_(net, 0)
    example, masks = torch.zeros(1, 3, 32, 32), everything(net)
    once = synflow_masks(net, example, masks=masks, density=0.01, rounds=1, dtype=torch.float32)
    empty = [name for name, mask in once.items() if not mask.any()]
    assert len(empty) >= 5
    assert is_collapsed(net, once, example)
    often = synflow_masks(net, example, masks=masks, density=0.01, dtype=torch.float32)
    assert min(int(mask.sum()) for mask in often.values()) > 1500
    assert effective_density(net, often, example) >= 0.98 * 0.01
    assert count(often) == 147_156


@pytest.mark.slow
def test_vgg_16_at_one_percent_loses_no_layer_in_one_round_that_is_drawn(generator):
    net = vgg(16, bias=False, generator=generator)
    he_normal_(net, 0)
    masks = sketch()(scored(net, dtype=torch.float32), 147_156, generator=generator)
    assert count(masks) == 147_156
    assert min(int(mask.sum()) for mask in masks.values()) > 1400


@pytest.mark.slow
def test_resnet_20_at_one_percent_stays_connected_though_a_shortcut_may_be_empty(generator):
    net = cifar_resnet(20, bias=False, generator=generator)
    he_normal_(net, 0)
    example = torch.zeros(1, 3, 32, 32)
    found = synflow_masks(net, example, masks=everything(net), density=0.01, rounds=50)
    assert not is_collapsed(net, found, example)
    main = [mask for name, mask in found.items() if "shortcut" not in name]
    assert all(bool(mask.any()) for mask in main)
