import pytest
import torch
from tests.scores.test_synflow import everything
from torch import Tensor, nn

from tombola.models import cifar_resnet
from tombola.scores._linear_copy import LinearCopy
from tombola.scores._linear_rules import Rewritten, average_rules
from tombola.scores._masked import masked_copy


class Block(nn.Module):
    """Two layers beside a shortcut, between two layers that every path runs through."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.outer, self.last = (nn.Linear(2, 2, bias=False) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x + self.outer(self.inner(x)))


def test_the_cuts_of_a_block_are_before_its_fork_and_after_its_sum():
    net, called, x = Block(), [], torch.zeros(1, 2)
    with masked_copy(net, everything(net), torch.Generator()) as copy:
        flow = LinearCopy(copy, torch.zeros(1, 2))
        with Rewritten({}, lambda name, arguments, found: called.append(name) or found):
            net(x)
        assert [called[number - 1] for number in sorted(flow._cuts)] == ["linear", "add", "linear"]
        assert sorted(flow._cuts)[0] == 1


def test_a_resnet_has_its_cuts_between_the_blocks(generator):
    net, called = cifar_resnet(20, input_shape=(3, 8, 8), width=0.25, generator=generator).eval(), []
    x = torch.zeros(1, 3, 8, 8)
    with masked_copy(net, everything(net), torch.Generator()) as copy:
        flow = LinearCopy(copy, x)
    with Rewritten({}, lambda name, arguments, found: called.append(name) or found):
        net(x)
    names = [called[number - 1] for number in sorted(flow._cuts)]
    assert names == ["conv2d", "batch_norm", "relu", *["add", "relu"] * 9, "adaptive_avg_pool2d", "flatten", "linear"]


def test_what_is_bypassed_is_no_alias_of_its_input():
    class InPlace(nn.Linear):
        def forward(self, x):
            x = super().forward(x)
            y = x.relu()
            y += x.tanh()
            y = nn.functional.relu(y, inplace=True)
            return y + x

    net = InPlace(1, 1, bias=False)
    net.weight.data.fill_(1)
    with masked_copy(net, everything(net), torch.Generator()) as copy:
        flow = LinearCopy(copy, torch.zeros(1, 1))
        assert float(flow.slopes()["weight"]) == 3


def test_rows_and_columns_without_weights_are_left_out_and_nothing_changes_by_it(generator):
    net = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 1), nn.Flatten(), nn.Linear(20, 3))
    masks = everything(net)
    masks["0.weight"][[0, 2, 3]] = False
    masks["2.weight"][:, [0, 2, 5]] = False
    masks["4.weight"][:, 8:] = False
    batches = torch.zeros(1, 2, 4, 4)
    with masked_copy(net, masks, torch.Generator()) as copy:
        flow = LinearCopy(copy, batches)
        before = {name: slope * flow.weights[name].detach() for name, slope in flow.slopes().items()}
        narrow = {name: flow.narrow(name, mask) for name, mask in copy.masks.items()}
        assert [tuple(mask.shape) for mask in narrow.values()] == [(3, 2, 3, 3), (5, 3, 1, 1), (3, 8)]
        again = {name: flow.narrow(name, mask) for name, mask in narrow.items()}
        torch.testing.assert_close(again, narrow)
        for name, slope in flow.slopes().items():
            score = slope * flow.weights[name].detach()
            torch.testing.assert_close(score[narrow[name]], before[name][masks[name]], rtol=1e-12, atol=0)
            torch.testing.assert_close(flow.widen(name, narrow[name]), masks[name])


def test_a_weight_that_is_narrowed_twice_finds_its_places(generator):
    net = nn.Linear(6, 6, bias=False)
    masks = {"weight": torch.zeros(6, 6, dtype=torch.bool)}
    masks["weight"][1:5, 2:6] = True
    with masked_copy(net, masks, torch.Generator()) as copy:
        flow = LinearCopy(copy, torch.zeros(1, 6))
        narrow = flow.narrow("weight", masks["weight"])
        narrow[0], narrow[:, 3] = False, False
        flow.weights["weight"].detach().mul_(narrow)
        narrow = flow.narrow("weight", narrow)
        assert narrow.shape == (3, 3)
        wide = flow.widen("weight", narrow)
        assert wide.nonzero().tolist() == [[i, j] for i in (2, 3, 4) for j in (2, 3, 4)]
        torch.testing.assert_close(flow.weights["weight"].detach(), net.weight.detach().double().abs()[2:5, 2:5])


def test_average_pools_let_flow_through_all_places():
    net = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 1, bias=False))
    x = torch.arange(16.0).view(1, 1, 4, 4)
    with masked_copy(net, everything(net), torch.Generator()) as copy:
        flow = LinearCopy(copy, x, rules=average_rules())
        found, exponent = flow.outputs(x.double())
    wanted = (nn.functional.avg_pool2d(x, 2).flatten(1) * net[2].weight.detach().abs()).sum()
    assert exponent == 0
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-6)
