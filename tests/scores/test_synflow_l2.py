import pytest
import torch
from tests.problems.small_networks import arguments
from tests.scores.definition import closely
from tests.scores.test_synflow import defined, everything
from torch import nn

from tombola.models import mlp
from tombola.scores import synflow_l2


def squared(given):
    """The problem with all masked weights squared."""
    with torch.no_grad():
        for name in given["masks"]:
            given["model"].get_parameter(name).square_()
    return given


@pytest.mark.parametrize("density", [1.0, 0.6])
def test_it_is_the_flow_of_the_squares(density):
    found = synflow_l2(**arguments("residual", density))
    given = squared(arguments("residual", density))
    closely(found, defined(given["model"], given["masks"], given["batches"][0][0][:1]), 1e-13)


def test_the_sum_of_derivatives_is_the_trace_of_the_path_kernel(generator):
    """The kernel by its definition: for each path and weight the squared product of the path's other weights."""
    net = mlp([2, 3, 3, 2], bias=False, generator=generator).double()
    first, second, third = (parameter.detach() for parameter in net.parameters())
    trace = 0.0
    for i in range(2):
        for j in range(3):
            for k in range(3):
                for out in range(2):
                    path = torch.stack([first[j, i], second[k, j], third[out, k]])
                    trace += float((path.prod() / path).square().sum())
    given = {"masks": everything(net), "loss": nn.MSELoss(), "generator": generator}
    found = synflow_l2(net, [(torch.zeros(1, 2), torch.zeros(1))], **given)
    derivatives = sum(float((found[name] / net.get_parameter(name).detach().square()).sum()) for name in found)
    assert derivatives == pytest.approx(trace, rel=1e-12)


def test_both_forms_differ_by_the_modulus_of_the_weight():
    given = arguments("convolutional")
    found, other = synflow_l2(**given), synflow_l2(**given, by_modulus=True)
    for name, score in found.items():
        weight = given["model"].get_parameter(name).detach().abs()
        torch.testing.assert_close(score, other[name] * weight, rtol=1e-12, atol=0)


def test_scaled_norms_scale_by_the_square():
    given = arguments("convolutional")
    net, weights = given["model"], {}
    for name in given["masks"]:
        weights[name] = net.get_parameter(name).detach().square().requires_grad_()
    scales = [net[i].weight.detach().square() / (net[i].running_var + net[i].eps) for i in (1, 4)]
    x = nn.functional.conv2d(torch.ones(1, 2, 6, 6).double(), weights["0.weight"], padding=1) * scales[0].view(-1, 1, 1)
    x = nn.functional.conv2d(x, weights["3.weight"], stride=2) * scales[1].view(-1, 1, 1)
    (x.flatten(1) @ weights["7.weight"].T).sum().backward()
    wanted = {name: weight.detach() * weight.grad for name, weight in weights.items()}
    closely(synflow_l2(**given, scale_norms=True), wanted, 1e-13)
