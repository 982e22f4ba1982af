from functools import partial

import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from tests.scores.definition import closely, dense, entries, mean_loss, nudged, times, with_weights
from torch import nn
from torch.nn.functional import mse_loss

from tombola.scores import snip


def test_two_weights_worked_by_hand():
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[2.0, -1.0]])
    masks = {"weight": torch.ones(1, 2, dtype=torch.bool)}
    # residuals 2 * 1 - 3 - 1 = -2 and 2 * 2 - 0 = 4; the slopes of (residual^2 / 2) are -2 * (1, 3) and 4 * (2, 0)
    batches = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]])), (torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0]]))]
    call = partial(snip, model, masks=masks, loss=lambda out, y: mse_loss(out, y) / 2, generator=torch.Generator())
    assert call(batches[:1])["weight"].tolist() == [[4.0, 6.0]]
    # the mean of both slopes is (3, -3), times the weights: signs cancel before the modulus is taken
    assert call(batches)["weight"].tolist() == [[6.0, 3.0]]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("batch_statistics", [False, True])
def test_it_is_the_gradient_by_mask_entries(name, density, batch_statistics):
    given = arguments(name, density)
    by = entries(given)
    model = with_weights(given["model"], times(by, dense(given)), batch_statistics=batch_statistics)
    slopes = torch.autograd.grad(mean_loss(model, given["batches"], given["loss"]), list(by.values()))
    kept = [slope.abs() * given["masks"][key] for key, slope in zip(by, slopes, strict=True)]
    closely(snip(**given, batch_statistics=batch_statistics), dict(zip(by, kept, strict=True)))


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_weight_times_gradient(name):
    given = arguments(name)
    found, model = snip(**given), given["model"].eval()
    mean_loss(model, given["batches"], given["loss"]).backward()
    for key, score in found.items():
        weight = model.get_parameter(key)
        torch.testing.assert_close(score, (weight * weight.grad).detach().abs(), rtol=1e-6, atol=1e-12)


def test_it_is_what_the_loss_loses_if_a_mask_entry_moves():
    given, step = arguments("mlp"), 1e-6
    weights, whole = dense(given), {key: mask.double() for key, mask in given["masks"].items()}

    def at(key, place, by):
        model = with_weights(given["model"], times(nudged(whole, key, place, by), weights))
        return mean_loss(model, given["batches"], given["loss"]).item()

    found = snip(**given)
    for key, score in found.items():
        for place in range(0, score.numel(), 5):
            slope = (at(key, place, step) - at(key, place, -step)) / (2 * step)
            torch.testing.assert_close(score.flatten()[place].item(), abs(slope), rtol=1e-5, atol=1e-8)


def test_how_examples_are_cut_into_batches_does_not_matter():
    given = arguments("convolutional")
    whole = [tuple(torch.cat(parts) for parts in zip(*given["batches"], strict=True))]
    uneven = [(x, y) for big in whole for x, y in zip(big[0].split([1, 9, 2]), big[1].split([1, 9, 2]), strict=True)]
    for batches in (whole, uneven):
        closely(snip(**given | {"batches": batches}), snip(**given), 1e-12)


def test_a_parameter_that_the_outputs_do_not_depend_on_scores_zero():
    given = arguments("mlp")
    given["model"].spare = nn.Linear(2, 2).double()
    given["model"].forward = lambda x: nn.Sequential(*list(given["model"])[:5])(x)
    given["masks"] = {"spare.weight": torch.ones(2, 2, dtype=torch.bool)}
    assert snip(**given)["spare.weight"].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_scores_that_are_not_finite_although_the_loss_is_are_refused():
    given = arguments("mlp") | {"loss": lambda out, y: (0 * out).square().sum().sqrt()}  # of infinite slope at 0
    with pytest.raises(ValueError, match=r"'0\.weight' are not all finite"):
        snip(**given)


def test_no_masks_leave_nothing_to_score():
    with pytest.raises(ValueError, match="nothing to score"):
        snip(**arguments("mlp") | {"masks": {}})
