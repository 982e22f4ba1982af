import pytest
import torch
from torch import nn

from tombola.models import conv_net


def layers(net):
    """The sizes of the layers with values, in order, pools as 'P'."""
    kinds = {nn.MaxPool2d: lambda _: "P", nn.Conv2d: lambda m: m.out_channels, nn.Linear: lambda m: m.out_features}
    return [kinds[type(m)](m) for m in net if type(m) in kinds]


@pytest.mark.parametrize(
    ("depth", "sizes", "parameters"),
    [
        (2, [64, 64, "P", 256, 256, 10], 4_301_642),
        (4, [64, 64, "P", 128, 128, "P", 256, 256, 10], 2_425_930),
        (6, [64, 64, "P", 128, 128, "P", 256, 256, "P", 256, 256, 10], 2_262_602),
    ],
)
def test_the_table_of_frankle_and_carbin(generator, depth, sizes, parameters):
    net = conv_net(depth, generator=generator)
    assert layers(net) == sizes
    assert sum(p.numel() for p in net.parameters()) == parameters  # 4.3, 2.4 and 2.3 million there, rounded


def test_the_children_are_stock_modules_with_names(generator):
    net = conv_net(2, generator=generator)
    assert [name for name, _ in net.named_children()] == (
        ["conv1", "relu1", "conv2", "relu2", "pool1", "flatten", "fc1", "relu3", "fc2", "relu4", "fc3"]
    )
    assert {type(child).__module__.split(".")[0] for child in net} == {"torch"}


def test_half_as_wide(generator):
    assert layers(conv_net(4, width=0.5, generator=generator)) == [32, 32, "P", 64, 64, "P", 128, 128, 10]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 13), (1, 28, 28)])
def test_odd_sizes_fit(generator, shape):
    assert conv_net(6, input_shape=shape, classes=4, width=0.1, generator=generator)(torch.zeros(2, *shape)).shape == (
        2,
        4,
    )


def test_without_biases_there_are_only_weights(generator):
    names = [name for name, _ in conv_net(2, bias=False, width=0.1, generator=generator).named_parameters()]
    assert names == ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight", "fc3.weight"]


def test_what_makes_no_network_is_refused(generator):
    with pytest.raises(ValueError, match="2, 4 or 6 convolutions, got 8"):
        conv_net(8, generator=generator)
    for depth, smallest in ((2, 2), (4, 4), (6, 8)):
        with pytest.raises(ValueError, match=f"conv-{depth} takes .* at least {smallest} x {smallest}"):
            conv_net(depth, input_shape=(1, 28, smallest - 1), generator=generator)
        assert len(conv_net(depth, input_shape=(1, smallest, smallest), width=0.1, generator=generator))
