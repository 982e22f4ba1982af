import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from tests.scores.definition import closely, dense, entries, mean_loss, times, with_weights
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from tombola.scores import grasp


def test_a_quadratic_loss_worked_by_hand():
    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[2.0, -1.0]])
    masks = {"weight": torch.ones(1, 2, dtype=torch.bool)}
    # x = (1, 3), the residual -2: g = -2 (1, 3), H = x x^T, H g = -2 * 10 * (1, 3); times the weights (-40, 60)
    batches = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]]))]
    given = {"masks": masks, "loss": lambda out, y: mse_loss(out, y) / 2, "generator": torch.Generator()}
    assert grasp(model, batches, **given, temperature=1.0)["weight"].tolist() == [[-40.0, 60.0]]
    assert grasp(model, batches, **given, temperature=1.0, keep="smallest")["weight"].tolist() == [[40.0, -60.0]]
    # at temperature 2 the residual is -3/2 and x acts as (1, 3) / 2
    assert grasp(model, batches, **given, temperature=2.0)["weight"].tolist() == [[-3.75 * 1.0, 3.75 * 1.5]]


def flat_loss(given, temperature, batch_statistics):
    """The mean tempered loss as a function of all masked weights in one vector."""
    shapes = {key: mask.shape for key, mask in given["masks"].items()}

    def loss(flat):
        parts = flat.split([shape.numel() for shape in shapes.values()])
        weights = {key: part.view(shapes[key]) for key, part in zip(shapes, parts, strict=True)}
        model = with_weights(given["model"], weights, batch_statistics=batch_statistics)
        return mean_loss(model, given["batches"], lambda out, y: given["loss"](out / temperature, y))

    return loss


def flattened(values):
    return torch.cat([value.flatten() for value in values.values()])


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("density", "batch_statistics"), [(1.0, True), (0.6, False)])
def test_it_is_weight_times_the_dense_hessian_times_the_gradient(name, density, batch_statistics):
    given = arguments(name, density)
    kept = flattened(given["masks"])
    at = flattened(dense(given)) * kept
    loss = flat_loss(given, 3.0, batch_statistics)
    slope = torch.autograd.functional.jacobian(loss, at) * kept
    wanted = at * (torch.autograd.functional.hessian(loss, at) @ slope)
    found = grasp(**given, temperature=3.0, batch_statistics=batch_statistics)
    closely({"all": flattened(found)}, {"all": wanted})


@pytest.mark.parametrize("name", NETWORKS)
def test_the_product_is_what_finite_differences_of_the_gradient_give(name):
    given, step = arguments(name), 1e-5
    at, loss = flattened(dense(given)), flat_loss(given, 1.0, batch_statistics=False)

    def slope(point):
        return torch.autograd.functional.jacobian(loss, point)

    direction = slope(at)
    product = (slope(at + step * direction) - slope(at - step * direction)) / (2 * step)
    found = flattened(grasp(**given, temperature=1.0, batch_statistics=False))
    closely({"all": found / at}, {"all": product}, 1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_half_of_what_the_squared_gradient_gains_from_a_mask_entry(name):
    given = arguments(name)
    by, weights = entries(given), dense(given)
    held = times(by, weights)
    model = with_weights(given["model"], held)
    slopes = torch.autograd.grad(
        mean_loss(model, given["batches"], cross_entropy), list(held.values()), create_graph=True
    )
    speed = sum(slope.square().sum() for slope in slopes)
    wanted = dict(zip(by, torch.autograd.grad(speed / 2, list(by.values())), strict=True))
    closely(grasp(**given, temperature=1.0, batch_statistics=False), wanted)


def test_other_parameters_stand_still():
    given = arguments("mlp")
    alone = grasp(**given | {"masks": {"2.weight": given["masks"]["2.weight"]}})
    assert list(alone) == ["2.weight"]
    assert not alone["2.weight"].equal(grasp(**given)["2.weight"])


def test_a_loss_without_curvature_scores_zero():
    given = arguments("mlp") | {"loss": lambda out, y: out.mean()}
    given["masks"] = {"4.weight": given["masks"]["4.weight"]}  # outputs are linear in the last layer
    assert not grasp(**given)["4.weight"].any()


def test_options_out_of_range():
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        grasp(**arguments("mlp"), temperature=0.0)
