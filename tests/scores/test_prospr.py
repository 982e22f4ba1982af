import copy
from functools import partial

import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from tests.scores.definition import closely, dense, entries, mean_loss, nudged, times, with_weights
from torch import nn
from torch.nn.functional import mse_loss

from tombola.scores import InnerSteps, prospr, snip


def test_one_weight_that_shrinks_worked_by_hand():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data = torch.tensor([[2.0]])
    given = {"masks": {"weight": torch.ones(1, 1, dtype=torch.bool)}, "generator": torch.Generator()}
    call = partial(
        prospr, model, [(torch.ones(1, 1), torch.zeros(1, 1))], loss=lambda a, b: mse_loss(a, b) / 2, **given
    )
    # a step halves the weight: w_2 = theta m / 4, L = w_2^2 / 2, and dL/dm = w_2 theta / 4
    inner = InnerSteps(steps=2, learning_rate=0.5)
    assert call(inner=inner)["weight"].item() == 0.5 * 2 / 4
    assert call(inner=inner, first_order=True)["weight"].item() == 2 * 0.5
    # with momentum 1/2 the second step is 1/2 * 2 + 1, a half of which takes w_1 = 1 to w_2 = 0
    assert call(inner=InnerSteps(2, 0.5, 0.5))["weight"].item() == 0.0


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("options", [{}, {"first_order": True}, {"batch_statistics": True}])
def test_without_steps_it_is_snip(name, density, options):
    given = arguments(name, density)
    wanted = snip(**given, batch_statistics=options.get("batch_statistics", False))
    closely(prospr(**given, inner=InnerSteps(steps=0), **options), wanted, 1e-14)


def unrolled(given, inner, batch_statistics=False):
    """The derivative by mask entries of the loss after the steps, from one graph."""
    by, model = entries(given), given["model"]
    weights = times(by, dense(given))
    for key, value in model.named_parameters():
        if key not in weights:
            weights[key] = value.detach().clone().requires_grad_()
    moments = {key: 0.0 for key in weights}
    for step in range(inner.steps):
        x, y = given["batches"][step % len(given["batches"])]
        loss = given["loss"](with_weights(model, weights, batch_statistics=batch_statistics)(x), y)
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        for key, slope in zip(list(weights), slopes, strict=True):
            moments[key] = inner.momentum * moments[key] + slope * given["masks"].get(key, 1.0)
            weights[key] = weights[key] - inner.learning_rate * moments[key]
    last = mean_loss(with_weights(model, weights, batch_statistics=batch_statistics), given["batches"], given["loss"])
    slopes = torch.autograd.grad(last, list(by.values()))
    return {key: slope.abs() * given["masks"][key] for key, slope in zip(by, slopes, strict=True)}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("batch_statistics", [False, True])
def test_it_is_the_gradient_through_all_steps(name, density, batch_statistics):
    given, inner = arguments(name, density), InnerSteps(3, 0.2, 0.5)
    wanted = unrolled(given, inner, batch_statistics)
    closely(prospr(**given, inner=inner, batch_statistics=batch_statistics), wanted)


def trained_loss(given, mask_entries, inner):
    """The loss after training a copy with torch's optimiser from weights times mask entries."""
    model = copy.deepcopy(given["model"])
    with torch.no_grad():
        for key, value in mask_entries.items():
            model.get_parameter(key).mul_(value)
    optimiser = torch.optim.SGD(model.parameters(), lr=inner.learning_rate, momentum=inner.momentum)
    for step in range(inner.steps):
        x, y = given["batches"][step % len(given["batches"])]
        optimiser.zero_grad()
        given["loss"](model(x), y).backward()
        optimiser.step()
    with torch.no_grad():
        return float(mean_loss(model, given["batches"], given["loss"]))


def test_it_is_what_the_loss_after_training_gains_if_a_mask_entry_moves():
    given, inner, step = arguments("mlp"), InnerSteps(4, 0.3, 0.9), 1e-6
    whole = {key: mask.double() for key, mask in given["masks"].items()}
    for key, score in prospr(**given, inner=inner).items():
        for place in range(0, score.numel(), 5):
            ends = [trained_loss(given, nudged(whole, key, place, by), inner) for by in (step, -step)]
            slope = (ends[0] - ends[1]) / (2 * step)
            torch.testing.assert_close(score.flatten()[place].item(), abs(slope), rtol=1e-5, atol=1e-8)


def test_first_order_is_the_weight_times_the_gradient_after_training():
    given, inner = arguments("mlp"), InnerSteps(3, 0.3, 0.9)
    model = copy.deepcopy(given["model"])
    optimiser = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    for step in range(3):
        x, y = given["batches"][step % 2]
        optimiser.zero_grad()
        given["loss"](model(x), y).backward()
        optimiser.step()
    optimiser.zero_grad()
    mean_loss(model, given["batches"], given["loss"]).backward()
    wanted = {key: (weight * model.get_parameter(key).grad).abs() for key, weight in dense(given).items()}
    found = prospr(**given, inner=inner, first_order=True)
    closely(found, wanted)
    assert not found["0.weight"].equal(prospr(**given, inner=inner)["0.weight"])


def test_what_is_frozen_and_not_masked_takes_no_steps():
    given = arguments("mlp")
    free = prospr(**given)
    for key in ("0.bias", "2.bias", "4.bias"):
        given["model"].get_parameter(key).requires_grad_(False)
    assert not prospr(**given)["0.weight"].equal(free["0.weight"])
    for key in given["masks"]:  # masked weights step, frozen or not
        given["model"].get_parameter(key).requires_grad_(False)
    frozen = prospr(**given)
    for key in given["masks"]:
        given["model"].get_parameter(key).requires_grad_(True)
    closely(frozen, prospr(**given), 1e-15)


def test_steps_that_diverge_are_refused():
    with pytest.raises(ValueError, match=r"the loss of batch \d is (nan|inf)"):
        prospr(**arguments("mlp") | {"loss": lambda out, y: out.pow(4).mean()}, inner=InnerSteps(8, 1e6))


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"learning_rate": 0.0}, {"momentum": 1.0}])
def test_steps_out_of_range(wrong):
    with pytest.raises(ValueError, match="are wanted, got"):
        InnerSteps(**wrong)
