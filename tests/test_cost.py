import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tombola.cost import cost
from tombola.models import build


class Tied(nn.Module):
    """One matrix that is used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(self.first(x))


def flops(model, example):
    """Floating-point operations as torch counts them: two for every multiply-add."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(example)
    return counter.get_total_flops()


@pytest.mark.parametrize(
    ("name", "shape"), [("lenet-300-100", (1, 8, 8)), ("lenet-5", (1, 28, 28)), ("resnet-20x0.25", (3, 32, 32))]
)
def test_multiply_adds_are_half_of_what_torch_counts(name, shape, generator):
    net = build(name, input_shape=shape, classes=10, generator=generator)
    found = cost(net, torch.zeros(2, *shape))
    assert found.multiply_adds == found.kept_multiply_adds == flops(net, torch.zeros(1, *shape)) // 2
    assert found.parameters == found.kept_parameters == sum(value.numel() for value in net.parameters())
    assert found.bytes == found.kept_bytes == 4 * found.parameters
    assert found.not_counted == ()


@pytest.mark.parametrize("groups", [1, 2])
def test_strides_groups_and_transposed_convolutions(groups):
    net = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=groups), nn.ConvTranspose2d(8, 6, 3, stride=2, groups=groups)
    )
    found = cost(net, torch.zeros(3, 4, 9, 9))
    assert [layer.multiply_adds for layer in found.layers] == [25 * 8 * 4 * 9 // groups, 25 * 8 * 6 * 9 // groups]
    assert found.multiply_adds == flops(net, torch.zeros(1, 4, 9, 9)) // 2


def test_kept_weights_count_alone(generator):
    net = build("lenet-5", input_shape=(1, 28, 28), classes=10, generator=generator)
    masks = {"conv1.weight": torch.zeros(6, 1, 5, 5, dtype=torch.bool), "fc3.weight": torch.eye(10, 84).bool()}
    masks["conv1.weight"][0, 0, 2, 1:3] = True
    layers = {layer.name: layer for layer in cost(net, torch.zeros(1, 1, 28, 28), masks).layers}
    first = layers["conv1.weight"]
    assert (first.size, first.kept) == (150, 2)
    assert first.kept_multiply_adds * 75 == first.multiply_adds
    assert layers["fc3.weight"].kept_multiply_adds == 10
    assert layers["fc2.weight"].kept_multiply_adds == layers["fc2.weight"].multiply_adds == 120 * 84


def test_bytes_are_those_of_kept_values_and_a_bit_for_each_masked_one():
    net = nn.Linear(10, 3).double()
    found = cost(net, torch.zeros(1, 10).double(), {"weight": torch.eye(3, 10).bool()})
    assert (found.bytes, found.kept_bytes) == (8 * 33, 8 * 6 + 4)


def test_a_weight_that_is_used_twice_counts_twice_and_is_one_parameter():
    found = cost(Tied(), torch.zeros(1, 3), {"first.weight": torch.eye(3).bool()})
    assert [(layer.name, layer.size, layer.multiply_adds, layer.kept_multiply_adds) for layer in found.layers] == [
        ("first.weight", 9, 18, 6)
    ]
    assert found.parameters == 9


def test_what_is_not_counted_is_named():
    net = nn.Sequential(nn.Embedding(7, 4), nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), nn.Linear(4, 2))
    found = cost(net, torch.zeros(1, 5, dtype=torch.long))
    assert {"0.weight", "1.self_attn.in_proj_weight"} <= set(found.not_counted)
    assert "2.weight" not in found.not_counted


def test_the_model_stays_as_it_is_and_hooks_are_not_called():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2)).train()
    called = []
    net[0].register_forward_hook(lambda *_: called.append(1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    random = torch.get_rng_state()
    cost(net, torch.ones(4, 3))
    assert torch.get_rng_state().equal(random)
    torch.testing.assert_close(dict(net.state_dict()), before, rtol=0, atol=0)
    assert called == []
    assert net.training
    assert len(net[0]._forward_hooks) == 1


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"wanted torch\.bool of shape"):
        cost(nn.Linear(3, 2), torch.zeros(1, 3), {"weight": torch.ones(3, 2).bool()})
