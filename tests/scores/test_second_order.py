import math
from functools import partial

import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from tests.scores.definition import closely, dense, mean_loss, with_weights
from torch import nn
from torch.nn.functional import mse_loss

from tombola.scores import fts, hts, snip


def test_two_weights_worked_by_hand():
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[2.0, -1.0]])
    given = {"masks": {"weight": torch.ones(1, 2, dtype=torch.bool)}, "generator": torch.Generator()}
    given["loss"] = lambda out, y: mse_loss(out, y) / 2
    # residuals -2 and 4 of the inputs (1, 3) and (2, 0): slopes (-2, -6) and (8, 0), their mean (3, -3)
    batches = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]])), (torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0]]))]
    # F = ((4 + 64) / 2, (36 + 0) / 2) = (34, 18); theta g = (6, 3) and theta^2 F / 2 = (68, 9)
    assert fts(model, batches, **given)["weight"].tolist() == [[74.0, 12.0]]
    assert fts(model, batches, **given, curvature=-0.5)["weight"].tolist() == [[62.0, 6.0]]
    # in one batch the square is of the mean, (9, 9)
    whole = [tuple(torch.cat(parts) for parts in zip(*batches, strict=True))]
    assert fts(model, whole, **given)["weight"].tolist() == [[6 + 18.0, 3 + 4.5]]


def test_with_one_weight_the_hessian_is_exact_worked_by_hand():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data = torch.tensor([[2.0]])
    given = {"masks": {"weight": torch.ones(1, 1, dtype=torch.bool)}, "generator": torch.Generator()}
    call = partial(hts, model, [(torch.tensor([[3.0]]), torch.tensor([[1.0]]))], loss=lambda a, b: mse_loss(a, b) / 2)
    # tempered by 2 the input is 3/2 and the residual 2: theta g = 2 * 3 and theta^2 H / 2 = 2 * 9 / 4
    assert call(**given, temperature=2.0)["weight"].item() == 10.5
    assert call(**given, temperature=2.0, curvature=-0.5)["weight"].item() == 1.5


@pytest.mark.parametrize("name", NETWORKS)
def test_without_curvature_both_are_snip(name):
    given = arguments(name, 0.6)
    closely(fts(**given, curvature=0.0), snip(**given), 1e-14)
    closely(hts(**given, curvature=0.0, temperature=1.0, probes=1), snip(**given), 1e-14)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("batch_statistics", [False, True])
def test_fisher_is_the_mean_square_of_the_batches_gradients(name, density, batch_statistics):
    given = arguments(name, density)
    held = {key: (weight * given["masks"][key]).requires_grad_() for key, weight in dense(given).items()}
    model = with_weights(given["model"], held, batch_statistics=batch_statistics)
    slopes, squares = ({key: torch.zeros_like(value.detach()) for key, value in held.items()} for _ in range(2))
    for x, y in given["batches"]:
        for key, slope in zip(held, torch.autograd.grad(given["loss"](model(x), y), list(held.values())), strict=True):
            slopes[key] += (len(x) / 12 * slope).detach()
            squares[key] += len(x) / 12 * slope**2
    wanted = {key: (value * slopes[key] + value**2 * squares[key] / 2).abs() for key, value in held.items()}
    closely(fts(**given, batch_statistics=batch_statistics), wanted)


def dense_hessian(given, temperature):
    """All masked weights in one vector, kept or zero; the gradient there, and the Hessian over the kept ones."""
    shapes = {key: mask.shape for key, mask in given["masks"].items()}
    kept = torch.cat([mask.flatten() for mask in given["masks"].values()]).double()
    at = kept * torch.cat([value.flatten() for value in dense(given).values()])

    def loss(flat):
        parts = flat.split([shape.numel() for shape in shapes.values()])
        weights = {key: part.view(shapes[key]) for key, part in zip(shapes, parts, strict=True)}
        model = with_weights(given["model"], weights)
        return mean_loss(model, given["batches"], lambda out, y: given["loss"](out / temperature, y))

    hessian = torch.autograd.functional.hessian(loss, at) * kept * kept[:, None]
    return at, torch.autograd.functional.jacobian(loss, at), hessian


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_the_sum_over_the_signs_that_are_drawn_of_the_dense_hessian(name):
    given, generator = arguments(name, 0.6), torch.Generator().manual_seed(0)
    given["batches"] = given["batches"][:1]
    torch.randint(2**62, (), generator=generator)  # the seed of what modules draw
    at, slope, hessian = dense_hessian(given, 3.0)
    diagonal = torch.zeros_like(at)
    for _ in range(2):
        drawn = [torch.randint(2, mask.shape, generator=generator).flatten() for mask in given["masks"].values()]
        signs = 2 * torch.cat(drawn).double() - 1
        diagonal += signs * (hessian @ signs) / 2
    found = hts(**given, temperature=3.0, probes=2)
    wanted = (at * slope + at**2 * diagonal / 2).abs()
    closely({"all": torch.cat([score.flatten() for score in found.values()])}, {"all": wanted})


def test_with_many_probes_it_comes_to_the_diagonal_of_the_dense_hessian():
    given, probes = arguments("mlp", 0.6), 400
    given["batches"] = given["batches"][:1]
    at, slope, hessian = dense_hessian(given, 1.0)
    found = torch.cat([score.flatten() for score in hts(**given, temperature=1.0, probes=probes).values()])
    wanted = (at * slope + at**2 * hessian.diag() / 2).abs()
    # off the diagonal each entry of the row comes with the product of two random signs
    spread = (hessian - hessian.diag().diag()).square().sum(1).sqrt() / math.sqrt(probes)
    assert bool(((found - wanted).abs() <= 5 * at**2 * spread / 2 + 1e-12).all())


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"probes": 0}])
def test_options_out_of_range(wrong):
    with pytest.raises(ValueError, match="temperature must be positive and probes at least 1"):
        hts(**arguments("mlp"), **wrong)
