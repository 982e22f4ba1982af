import copy

import numpy as np
import pytest
import torch
from tests.sketch.nets import all_masks, inputs_for, jacobian, made
from torch import nn

from tombola.sketch import (
    _linearised,
    column_energies,
    expected_error,
    function_error,
    kernel_energy,
    kernel_error,
    probabilities,
    ridge_bound,
)

KINDS = ["mlp", "conv", "residual"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pruned", [False, True])
def test_energies_are_the_squares_of_the_columns(kind, pruned, generator):
    """One output for each batch: a random sign changes nothing in the square, so one pass is exact."""
    net, shape = made(kind)
    batches, masks = inputs_for(shape, 5, generator), all_masks(net)
    if pruned:
        masks = {name: torch.rand(mask.shape, generator=generator) < 0.6 for name, mask in masks.items()}
    columns, _ = jacobian(copy.deepcopy(net), batches, masks)
    found = column_energies(net, batches, masks=masks, passes=1, generator=generator)
    for name, mask in masks.items():
        torch.testing.assert_close(found[name].flatten(), columns[name].square().sum(0))
        assert (found[name][~mask] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_derivative_along_a_direction(kind, generator):
    net, shape = made(kind)
    batches, masks = inputs_for(shape, 5, generator), all_masks(net)
    columns, _ = jacobian(copy.deepcopy(net), batches, masks)
    for name in masks:
        direction = torch.randn(masks[name].shape, generator=generator, dtype=torch.float64)
        with _linearised.linearised(net, batches, masks, generator) as linear:
            found = torch.cat([linear.pushed(number, {name: direction}) for number in range(5)])
        torch.testing.assert_close(found.flatten(), columns[name] @ direction.flatten())


def test_many_outputs_at_once_are_right_on_average(generator):
    net, shape = made("without biases")
    masks = all_masks(net)
    batches = [(torch.randn(3, *shape, generator=generator, dtype=torch.float64), torch.zeros(3)) for _ in range(2)]
    columns, _ = jacobian(copy.deepcopy(net), batches, masks)
    exact = torch.cat(list(columns.values()), 1)
    found = column_energies(net, batches, masks=masks, passes=600, generator=generator)
    for name in masks:
        wanted = columns[name].square().sum(0)
        assert ((found[name].flatten() - wanted).abs() <= 4 * (2 / 600) ** 0.5 * wanted).all()
    energy = kernel_energy(net, batches, masks=masks, passes=300, generator=generator)
    assert energy == pytest.approx(float((exact @ exact.T).square().sum()), rel=3 * (2 / 300) ** 0.5)


def test_the_kernel_of_one_output_is_exact(generator):
    net, shape = made("mlp")
    batches, masks = inputs_for(shape, 1, generator), all_masks(net)
    columns, _ = jacobian(copy.deepcopy(net), batches, masks)
    trace = sum(float(part.square().sum()) for part in columns.values())
    assert kernel_energy(net, batches, masks=masks, passes=1, generator=generator) == pytest.approx(trace**2, rel=1e-12)


def test_each_layer_of_a_homogeneous_network_contributes_the_whole_output(generator):
    net, shape = made("without biases")
    batches = inputs_for(shape, 3, generator)
    with _linearised.linearised(net, batches, all_masks(net), generator) as linear:
        for name, weight in linear.weights.items():
            torch.testing.assert_close(linear.pushed(1, {name: weight}), net(batches[1][0]).detach())


def test_the_error_of_a_function_is_that_of_a_linear_model(generator):
    net, shape = made("mlp")
    batches, masks = inputs_for(shape, 4, generator), all_masks(net)
    columns, weights = jacobian(copy.deepcopy(net), batches, masks)
    phi, w = torch.cat(list(columns.values()), 1), torch.cat([weights[name].flatten() for name in columns])
    energies = column_energies(net, batches, masks=masks, passes=1, generator=generator)
    chances = probabilities({name: energies[name].sqrt() * weights[name] for name in masks}, mixture=0.1)
    output = float((phi @ w).norm())
    found = function_error(energies, weights, chances, draws=7, output=output)
    flat = torch.cat([chances[name].flatten() for name in columns])
    assert found == pytest.approx(expected_error(phi.norm(dim=0), w, flat, draws=7, output=output), rel=1e-12)


def test_sketches_of_a_kernel_have_the_error_of_the_formula(generator):
    n, size, draws, repeats = 20, 500, 100, 3000
    phi = torch.randn(n, size, generator=generator).double() * torch.rand(size, generator=generator).double() * 2
    energies, kernel = {"w": phi.square().sum(0)}, phi @ phi.T
    errors = {}
    for kind, p in (("best", probabilities(energies)), ("uniform", {"w": torch.full((size,), 1 / size).double()})):
        counts = np.random.default_rng(0).multinomial(draws, p["w"] / p["w"].sum(), size=repeats)
        scales = torch.from_numpy(counts) / (draws * p["w"])
        measured = np.mean([float((phi * scale @ phi.T - kernel).square().sum()) for scale in scales])
        errors[kind] = kernel_error(energies, p, draws=draws, energy=float(kernel.square().sum()))
        assert measured == pytest.approx(errors[kind], rel=0.03)
    assert errors["best"] < 0.8 * errors["uniform"]
    trace = float(kernel.trace())
    assert errors["best"] == pytest.approx((trace**2 - float(kernel.square().sum())) / draws, rel=1e-9)


def test_the_ridge_bound_holds(generator):
    for _ in range(50):
        x, sketched, row, other = (torch.randn(6, 8, generator=generator, dtype=torch.float64) for _ in range(4))
        y, ridge = torch.randn(6, generator=generator, dtype=torch.float64), 0.7
        kernel, near = x @ x.T, x @ x.T + 0.1 * sketched @ sketched.T
        cross, moved = row[0] @ x.T, row[0] @ x.T + 0.1 * other[0, :6]
        eye = ridge * torch.eye(6, dtype=torch.float64)
        change = moved @ torch.linalg.solve(near + eye, y) - cross @ torch.linalg.solve(kernel + eye, y)
        bound = ridge_bound(
            error=float(torch.linalg.matrix_norm(near - kernel, 2)),
            cross_error=float((moved - cross).norm()),
            cross=float(cross.norm()),
            targets=float(y.norm()),
            ridge=ridge,
        )
        assert abs(float(change)) <= bound


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_model_changes(kind, generator):
    net, shape = made(kind)
    net.train()
    first = next(net.parameters()).requires_grad_(False)
    calls = []
    net.register_forward_hook(lambda *_: calls.append(1))
    for value in net.parameters():
        value.grad = torch.ones_like(value)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    batches, masks = inputs_for(shape, 2, generator), all_masks(net)
    column_energies(net, batches, masks=masks, passes=2, generator=generator)
    kernel_energy(net, batches, masks=masks, passes=2, generator=generator)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert all(bool((value.grad == 1).all()) for value in net.parameters())
    assert (net.training, first.requires_grad, calls) == (True, False, [])


def test_the_same_generator_gives_the_same_numbers(generator):
    net, shape = made("without biases")
    batches = inputs_for(shape, 2, generator)
    first, again = (
        column_energies(net, batches, masks=all_masks(net), passes=3, generator=torch.Generator().manual_seed(4))
        for _ in range(2)
    )
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_a_network_that_ignores_its_weights_has_no_columns(generator):
    class Constant(nn.Linear):
        def forward(self, x):
            return x.detach().sum(1)

    net, batches = Constant(3, 2).double(), inputs_for((3,), 2, generator)
    found = column_energies(net, batches, masks=all_masks(net), passes=1, generator=generator)
    assert (found["weight"] == 0).all()
    assert kernel_energy(net, batches, masks=all_masks(net), passes=1, generator=generator) == 0


@pytest.mark.parametrize("estimate", [column_energies, kernel_energy])
def test_what_cannot_be_linearised_is_refused(estimate, generator):
    net, shape = made("mlp")
    batches, masks = inputs_for(shape, 2, generator), all_masks(net)

    def refused(message, batches=batches, masks=masks, net=net, passes=1):
        with pytest.raises(ValueError, match=message):
            estimate(net, batches, masks=masks, passes=passes, generator=generator)

    refused("at least one mask and one batch", batches=[])
    refused("at least one mask and one batch", masks={})
    refused("names no parameter", masks={"no": torch.tensor([True])})
    refused("batch 1 is on meta", batches=[batches[0], (batches[1][0].to("meta"), batches[1][1])])
    refused("outputs on batch 1 are not all finite", batches=[batches[0], (batches[1][0] * torch.nan, batches[1][1])])
    refused("passes must be at least 1", passes=0)
    pair = nn.LSTM(4, 2).double()
    refused("output is one tensor", net=pair, masks=all_masks(pair))


def test_norms_out_of_range_are_refused():
    for norms in ({"ridge": 0.0}, {"error": -1.0}, {"targets": float("nan")}):
        given = {"error": 1.0, "cross_error": 1.0, "cross": 1.0, "targets": 1.0, "ridge": 1.0} | norms
        with pytest.raises(ValueError, match="ridge is positive"):
            ridge_bound(**given)


def test_no_draw_is_refused():
    one = {"w": torch.ones(2)}
    with pytest.raises(ValueError, match="draws must be"):
        kernel_error(one, one, draws=0, energy=1.0)
    with pytest.raises(ValueError, match="draws must be"):
        function_error(one, one, one, draws=0, output=1.0)
