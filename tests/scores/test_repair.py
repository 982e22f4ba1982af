import pytest
import torch
from tests.scores.test_synflow import everything, he_normal_, scored
from torch import nn

from tombola.masks import count
from tombola.models import cifar_resnet, mlp
from tombola.scores import effective_masks, is_collapsed, repair
from tombola.select import top


def random_scores(masks, generator):
    return {name: torch.rand(mask.shape, generator=generator) for name, mask in masks.items()}


def test_the_worse_of_two_stranded_weights_makes_way_for_what_connects_the_other():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    masks = {"0.weight": torch.tensor([[True, False], [True, True]]), "1.weight": torch.tensor([[True, False]])}
    scores = {"0.weight": torch.tensor([[1.0, 2.0], [8.0, 9.0]]), "1.weight": torch.tensor([[1.0, 3.0]])}
    found = repair(net, masks, scores, torch.zeros(1, 2))  # 8 goes; 3 is better than 2, and then 9 is on a path
    assert {name: mask.tolist() for name, mask in found.items()} == {
        "0.weight": [[True, False], [False, True]],
        "1.weight": [[True, True]],
    }


@pytest.mark.parametrize("density", [0.05, 0.1, 0.2])
def test_all_weights_are_on_paths_and_as_many_as_before(generator, density):
    net = mlp([20, 30, 30, 10], generator=generator)
    example = torch.zeros(1, 20)
    for _ in range(5):
        masks = {name: torch.rand(mask.shape, generator=generator) < density for name, mask in everything(net).items()}
        before = effective_masks(net, masks, example)
        assert count(before) < count(masks)
        found = repair(net, masks, random_scores(masks, generator), example)
        assert count(found) == count(masks)
        torch.testing.assert_close(effective_masks(net, found, example), found)
        if not is_collapsed(net, masks, example):
            assert all(not (before[name] & ~found[name]).any() for name in masks)


def test_a_mask_without_stranded_weights_is_left_as_it_is(generator):
    net = mlp([4, 5, 3], generator=generator)
    masks = everything(net)
    found = repair(net, masks, random_scores(masks, generator), torch.zeros(1, 4))
    torch.testing.assert_close(found, masks)
    assert all(found[name] is not masks[name] for name in masks)


def test_a_collapsed_resnet_is_joined(generator):
    net = cifar_resnet(20, generator=generator)
    he_normal_(net, 0)
    example, scores = torch.zeros(1, 3, 32, 32), scored(net)
    masks = top(scores, 13_545)
    assert is_collapsed(net, masks, example)
    found = repair(net, masks, scores, example)
    assert count(found) == 13_545
    assert not is_collapsed(net, found, example)
    torch.testing.assert_close(effective_masks(net, found, example), found)


def test_an_empty_network_gets_its_best_path():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    masks = {"0.weight": torch.tensor([[False, True], [False, False]]), "1.weight": torch.tensor([[False, False]])}
    scores = {"0.weight": torch.tensor([[1.0, 2.0], [9.0, 3.0]]), "1.weight": torch.tensor([[1.0, 8.0]])}
    with pytest.raises(ValueError, match="1 weights make no path"):
        repair(net, masks, scores, torch.zeros(1, 2))
    masks["0.weight"][0, 0] = True
    found = repair(net, masks, scores, torch.zeros(1, 2))
    assert found["0.weight"].tolist() == [[False, False], [True, False]]
    assert found["1.weight"].tolist() == [[False, True]]


def test_scores_have_to_fit(generator):
    net = mlp([2, 2], generator=generator)
    masks = everything(net)
    with pytest.raises(ValueError, match="other parameters or shapes"):
        repair(net, masks, {"fc1.weight": torch.ones(2)}, torch.zeros(1, 2))
    with pytest.raises(ValueError, match="not all finite"):
        repair(net, masks, {"fc1.weight": torch.full((2, 2), torch.nan)}, torch.zeros(1, 2))
