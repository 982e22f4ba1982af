import copy
import io
import pickle

import pytest
import torch
from tests.deploy.networks import Net, drawing, fill_, random_masks
from torch import nn
from torch.nn import functional
from torch.testing import assert_close

from tombola import models
from tombola.deploy import compact
from tombola.masks import bake_


def baked(net, masks):
    masked = copy.deepcopy(net).eval()
    bake_(masked, masks)
    return masked


def size(net):
    return sum(value.numel() for value in net.parameters())


def test_units_without_inputs_or_readers_go_and_constants_move_into_biases():
    net = nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1))
    first, last = torch.tensor([[1, 1], [0, 0], [1, 0], [0, 0]]).bool(), torch.tensor([[1, 1, 0, 0]]).bool()
    smaller = compact(net, {"0.weight": first, "2.weight": last}, torch.zeros(1, 2))
    assert (smaller.get_submodule("0").weight.shape, smaller.get_submodule("2").weight.shape) == ((1, 2), (1, 1))
    moved = net[2].bias + net[2].weight[0, 1] * torch.sigmoid(net[0].bias[1])
    assert_close(smaller.get_submodule("2").bias, moved)


@pytest.mark.parametrize(("padding", "left"), [(0, 1), (1, 2)])
def test_a_constant_stays_where_padding_would_change_it(padding, left):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sigmoid(), nn.Conv2d(2, 2, 3, padding=padding)).eval()
    masks = {"0.weight": torch.tensor([True, False]).view(2, 1, 1, 1).expand(2, 1, 3, 3)}
    smaller = compact(net, masks, torch.zeros(1, 1, 6, 6))
    assert smaller.get_submodule("0").out_channels == smaller.get_submodule("2").in_channels == left
    x = torch.randn(3, 1, 6, 6)
    assert_close(smaller(x), baked(net, masks)(x))


def test_a_constant_that_relu_turns_into_zero_goes_through_padding():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))
    with torch.no_grad():
        net[0].bias[1] = -1.0
    masks = {"0.weight": torch.tensor([True, False]).view(2, 1, 1, 1).expand(2, 1, 3, 3)}
    assert compact(net, masks, torch.zeros(1, 1, 6, 6)).get_submodule("2").in_channels == 1


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.branch, self.last = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.stem(x)
        return self.last(x + self.branch(x))


def test_a_channel_of_a_sum_goes_only_if_it_is_dead_in_all_branches():
    keep = torch.tensor([True, True, False, False])
    stem, branch = keep.unsqueeze(1).expand(4, 3), torch.tensor([True, False, True, False]).unsqueeze(1).expand(4, 4)
    net = Residual()
    masks = {"stem.weight": stem, "branch.weight": branch}
    smaller, x = compact(net, masks, torch.zeros(1, 3)), torch.randn(5, 3)
    assert [smaller.get_submodule(name).weight.shape for name in ("stem", "branch", "last")] == [(3, 3), (3, 3), (2, 3)]
    assert_close(smaller(x), baked(net, masks)(x))


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_stay_the_same_function(seed):
    generator = torch.Generator().manual_seed(seed)
    net = Net(drawing(generator)).double()
    fill_(net, generator)
    masks, x = random_masks(net, generator), torch.randn(3, 3, 6, 6, generator=generator, dtype=torch.float64)
    smaller = compact(net, masks, x[:1])
    with torch.no_grad():
        assert_close(smaller(x), baked(net, masks)(x), rtol=1e-9, atol=1e-11)
    assert size(smaller) <= size(net) + sum(value.shape[0] for value in smaller.parameters())  # of biases that are new
    if seed < 10:
        assert size(smaller) < size(net)


SHAPES = {"mlp:12-20-20-4": (12,), "lenet-300-100": (1, 8, 8), "lenet-5": (1, 28, 28), "conv-2x0.1": (3, 16, 16)}
SHAPES |= {"conv-4x0.1": (3, 16, 16), "conv-6x0.1": (3, 16, 16), "vgg-16x0.1": (3, 32, 32), "vgg-19x0.1": (3, 32, 32)}
SHAPES |= {"resnet-20x0.5": (3, 16, 16), "resnet-32x0.5": (3, 16, 16), "resnet-56x0.5": (3, 16, 16)}
SHAPES |= {"resnet-18x0.1": (3, 32, 32), "resnet-50x0.1": (3, 32, 32)}
SHAPES |= {"univariate-polynomialx0.2": (1, 4, 4), "univariate-fourierx0.2": (1, 4, 4)}


@pytest.mark.parametrize("density", [0.1, 0.005])
@pytest.mark.parametrize("name", SHAPES)
def test_every_model_gets_smaller_and_stays_the_same_function(unchecked, name, density):
    generator = torch.Generator().manual_seed(1)
    shape = None if name.startswith("mlp") else SHAPES[name]
    net = models.build(name, input_shape=shape, generator=generator)
    masks = {
        path: torch.rand(value.shape, generator=generator) < density
        for path, value in net.named_parameters()
        if value.ndim > 1
    }
    x = torch.randn(2, *SHAPES[name], generator=generator)
    smaller = compact(net, masks, x)
    assert_close(smaller(x), baked(net, masks)(x))
    if density < 0.1:
        assert size(smaller) < size(net)
    assert set(dict(smaller.named_parameters())) <= {*dict(net.named_parameters())} | {
        f"{path}.bias" for path, _ in net.named_modules()
    }


def saved(net):
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    return len(file.getvalue())


def test_the_result_is_copied_pickled_saved_exported_and_differentiated(unchecked, tmp_path):
    generator = torch.Generator().manual_seed(2)
    net = models.build("resnet-20x0.5", input_shape=(3, 8, 8), generator=generator)
    masks = {
        name: torch.rand(value.shape, generator=generator) < 0.02
        for name, value in net.named_parameters()
        if value.ndim > 1
    }
    x = torch.randn(2, 3, 8, 8, generator=generator)
    smaller = compact(net, masks, x)
    wanted, data = smaller(x), pickle.dumps(smaller)
    assert b"tombola" not in data  # whoever loads it needs torch alone
    torch.save(smaller, tmp_path / "net.pt")
    for again in (
        copy.deepcopy(smaller),
        pickle.loads(data),
        torch.load(tmp_path / "net.pt", weights_only=False),
        torch.export.export(smaller, (x,)).module(),
    ):
        assert_close(again(x), wanted)
    smaller(x).sum().backward()
    assert all(value.grad is not None for value in smaller.parameters())
    assert saved(smaller) < saved(net)


class Odd(nn.Module):
    """Two layers that are understood around things that are not."""

    def __init__(self):
        super().__init__()
        self.first, self.inside, self.last = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 2)
        self.norm, self.tail = nn.LayerNorm(6), nn.Sequential(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 3))

    def forward(self, x):
        x = self.norm(self.inside(self.inside(self.first(x))))
        return self.tail(self.last(x).softmax(-1))


def test_what_is_not_understood_stays_whole(generator):
    net = Odd()
    fill_(net, generator)
    masks = {name: mask for name, mask in random_masks(net, generator).items() if name.endswith("weight")}
    smaller, x = compact(net, masks, torch.zeros(1, 4)), torch.randn(5, 4, generator=generator)
    assert [smaller.get_submodule(name).weight.shape for name in ("first", "inside", "last")] == [
        (6, 4),
        (6, 6),
        (2, 6),
    ]
    assert smaller.get_submodule("tail.0").out_features < 9
    assert_close(smaller(x), baked(net, masks)(x))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 3))

    def forward(self, x):
        return self.one(x) if x.sum() > 0 else -self.one(x)


def test_what_cannot_be_traced_stays_and_is_named(generator):
    net = nn.Sequential(Branching(), nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    masks = {"1.weight": torch.eye(8, 3).bool(), "0.one.0.weight": torch.eye(5, 3).bool()}
    with pytest.warns(UserWarning, match="0 stays as it is: torch.fx cannot trace its forward"):
        smaller = compact(net, masks, torch.ones(1, 3))
    assert (size(smaller.get_submodule("0")), smaller.get_submodule("1").out_features) == (size(net[0]), 3)
    x = torch.randn(4, 3, generator=generator)
    assert_close(smaller(x), baked(net, masks)(x))
    with pytest.warns(UserWarning, match="the model stays as it is"):
        assert size(compact(net[0], {}, torch.ones(1, 3))) == size(net[0])


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="names no parameter"):
        compact(nn.Linear(2, 1), {"weights": torch.ones(1, 2).bool()}, torch.zeros(1, 2))


class Writes(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 3), nn.Linear(3, 1)

    def forward(self, x):
        x = self.first(x)
        functional.relu(x.view(-1, 3), inplace=True)
        return self.last(x)


def test_a_forward_that_writes_into_its_results_is_refused(generator):
    net = Writes()
    with torch.no_grad():
        net.first.bias.fill_(-1.0)
        net.last.weight.fill_(1.0)
    with pytest.raises(ValueError, match="writes into its results"):
        compact(net, {"first.weight": torch.zeros(3, 2).bool()}, torch.ones(1, 2))


def test_neither_the_model_nor_the_global_generator_is_changed(generator):
    net = Net(drawing(generator)).train()
    before, state = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    compact(net, random_masks(net, generator), torch.zeros(1, 3, 6, 6))
    assert torch.get_rng_state().equal(state)
    assert all(module.training for module in net.modules())
    assert_close(net.state_dict(), before)
