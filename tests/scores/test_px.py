from itertools import product

import pytest
import torch
from tests.problems.small_networks import arguments
from tests.scores.definition import closely
from tests.scores.test_synflow import everything
from torch import nn

from tombola.models import mlp
from tombola.scores import px, synflow_l2


def all_paths(net, masks, x):
    """The scores by going through every path of kept weights one by one."""
    layers = [(net.get_parameter(name).detach(), mask) for name, mask in masks.items()]
    widths = [layers[0][0].shape[1], *(weight.shape[0] for weight, _ in layers)]
    active = gates(net, x)
    active_sum = torch.zeros(widths[-1], dtype=torch.float64)
    for path in product(*map(range, widths)):
        if all(mask[b, a] for (_, mask), a, b in zip(layers, path, path[1:], strict=False)):
            for example, value in enumerate(x):
                open_ = all(active[k][example, unit] for k, unit in enumerate(path[1:-1]))
                active_sum[path[-1]] += open_ * value[path[0]] ** 2
    found = {name: torch.zeros(mask.shape, dtype=torch.float64) for name, mask in masks.items()}
    for path in product(*map(range, widths)):
        mass = active_sum[path[-1]]
        for (weight, mask), a, b in zip(layers, path, path[1:], strict=False):
            mass = mass * (weight[b, a] ** 2 * mask[b, a])
        for score, a, b in zip(found.values(), path, path[1:], strict=False):
            score[b, a] += mass
    return found


def gates(net, x):
    found = []
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            found.append(x > 0)
    return found


@pytest.mark.parametrize("density", [1.0, 0.7])
def test_it_is_the_sum_over_all_paths_of_an_mlp(generator, density):
    net = mlp([4, 5, 3, 2], generator=generator).double()
    masks = {name: torch.rand(mask.shape, generator=generator) < density for name, mask in everything(net).items()}
    x = torch.randn(7, 4, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        for name, mask in masks.items():
            net.get_parameter(name).mul_(mask)
    batches = [(x[:3], torch.zeros(3)), (x[3:], torch.zeros(4))]
    found = px(net, batches, masks=masks, loss=nn.MSELoss(), generator=generator)
    wanted = all_paths(net, masks, x)
    assert min(float(score.max()) for score in wanted.values()) > 0
    closely(found, wanted, 1e-13)


def test_with_max_pools_and_batch_norm_as_by_dense_products(generator):
    given = arguments("convolutional", 0.7)
    net = nn.Sequential(*given["model"][:3], nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)).double().eval()
    masks = {name: torch.rand(mask.shape, generator=generator) < 0.7 for name, mask in everything(net).items()}
    with torch.no_grad():
        for name, mask in masks.items():
            net.get_parameter(name).mul_(mask)
    x, ones = given["batches"][0][0], {name: mask.double() for name, mask in masks.items()}
    hidden = net[1](net[0](x)).relu()
    values, places = nn.functional.max_pool2d(hidden, 2, return_indices=True)
    counted = nn.functional.conv2d(x.square(), ones["0.weight"], padding=1) * (hidden > 0)
    z1 = counted.flatten(2).gather(2, places.flatten(2)).flatten(1) @ ones["5.weight"].T
    squares = {name: net.get_parameter(name).detach().square().requires_grad_() for name in masks}
    z2 = nn.functional.conv2d(torch.ones_like(x[:1]), squares["0.weight"], padding=1)
    z2 = nn.functional.max_pool2d(z2, 2).flatten(1) @ squares["5.weight"].T
    (z1.detach().sum(0) * z2).sum().backward()
    wanted = {name: weight.detach() * weight.grad for name, weight in squares.items()}
    found = px(net, [(x, torch.zeros(len(x)))], masks=masks, loss=nn.MSELoss(), generator=generator)
    assert values.shape == (8, 4, 3, 3)
    closely(found, wanted, 1e-13)


def test_without_gates_and_with_one_output_it_is_the_flow_of_squares(generator):
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)).double()
    given = {"masks": everything(net), "loss": nn.MSELoss(), "generator": generator}
    batches = [(torch.ones(1, 3, dtype=torch.float64), torch.zeros(1))]
    found, flow = px(net, batches, **given), synflow_l2(net, batches, **given)
    assert all(float(found[name].sum() / flow[name].sum()) == pytest.approx(15) for name in flow)  # as many paths


def test_an_output_that_no_active_path_reaches_gives_nothing(generator):
    net = mlp([2, 2, 1], generator=generator)
    with torch.no_grad():
        net.fc1.weight.copy_(torch.tensor([[1.0, 1.0], [-1.0, -1.0]]))
        net.fc1.bias.zero_()
    masks = everything(net) | {"fc2.weight": torch.tensor([[False, True]])}
    found = px(net, [(torch.ones(1, 2), torch.zeros(1))], masks=masks, loss=nn.MSELoss(), generator=generator)
    assert all(not score.any() for score in found.values())


def test_inputs_that_are_not_finite_are_refused(generator):
    net = mlp([2, 2, 1], generator=generator)
    batches = [(torch.full((1, 2), torch.nan), torch.zeros(1))]
    with pytest.raises(ValueError, match="the outputs are not finite"):
        px(net, batches, masks=everything(net), loss=nn.MSELoss(), generator=generator)
