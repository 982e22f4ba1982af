import math

import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from torch import nn
from torch.nn.functional import mse_loss

from tombola.scores import magnitude, relative_magnitude
from tombola.select import top


def given(model, masks):
    return {"model": model, "batches": [], "masks": masks, "loss": mse_loss, "generator": torch.Generator()}


def test_four_weights_worked_by_hand():
    model = nn.Linear(2, 2, bias=False)
    model.weight.data = torch.tensor([[3.0, -4.0], [9.0, 0.0]])
    masks = {"weight": torch.tensor([[True, True], [False, False]])}
    assert magnitude(**given(model, masks))["weight"].tolist() == [[3.0, 4.0], [0.0, 0.0]]
    # the root mean square of 3 and -4 is 5 / sqrt(2); the pruned 9 does not count
    wanted = torch.tensor([[3.0, 4.0], [0.0, 0.0]]) * math.sqrt(2) / 5
    torch.testing.assert_close(relative_magnitude(**given(model, masks))["weight"], wanted)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("density", [1.0, 0.6])
def test_they_are_moduli_and_moduli_over_their_root_mean_square(name, density):
    call = arguments(name, density)
    plain, relative = magnitude(**call), relative_magnitude(**call)
    for key, mask in call["masks"].items():
        weight = call["model"].get_parameter(key).detach()
        torch.testing.assert_close(plain[key], weight.abs() * mask, rtol=0, atol=0)
        torch.testing.assert_close(relative[key], weight.abs() * mask / weight[mask].square().mean().sqrt())


def test_a_wide_layer_loses_all_its_weights_to_magnitude_but_not_to_relative_magnitude(generator):
    model = nn.Sequential(nn.Linear(4, 400, bias=False), nn.Linear(400, 10, bias=False))
    for layer in model:
        nn.init.kaiming_normal_(layer.weight, generator=generator)
    masks = {key: torch.ones_like(value, dtype=torch.bool) for key, value in model.named_parameters()}
    plain = top(magnitude(**given(model, masks)), 500)
    relative = top(relative_magnitude(**given(model, masks)), 500)
    assert int(plain["1.weight"].sum()) == 0
    assert int(relative["1.weight"].sum()) > 300


def test_layers_of_zeros_of_nothing_and_of_huge_weights():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[0].weight.data.zero_()
    model[1].weight.data = torch.tensor([[3e38, -3e38], [3e38, 1e-38]])
    masks = {key: torch.ones(2, 2, dtype=torch.bool) for key, _ in model.named_parameters()}
    found = relative_magnitude(**given(model, masks))
    assert not found["0.weight"].any()
    torch.testing.assert_close(found["1.weight"], torch.tensor([[1.0, 1.0], [1.0, 0.0]]) * math.sqrt(4 / 3))
    nothing = {key: torch.zeros_like(mask) for key, mask in masks.items()}
    assert not relative_magnitude(**given(model, nothing))["1.weight"].any()


@pytest.mark.parametrize("score", [magnitude, relative_magnitude])
@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_a_kept_weight_that_is_not_finite_is_refused(score, wrong):
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[wrong, 1.0]])
    with pytest.raises(ValueError, match="'weight' are not all finite"):
        score(**given(model, {"weight": torch.tensor([[True, True]])}))
    assert score(**given(model, {"weight": torch.tensor([[False, True]])}))["weight"].tolist() == [[0.0, 1.0]]
