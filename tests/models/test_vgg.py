import pytest
import torch
from torch import nn

from tombola.models import vgg

GROUPS = {16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}


@pytest.mark.parametrize("depth", [16, 19])
def test_the_groups_of_the_paper(generator, depth):
    net = vgg(depth, input_shape=(1, 40, 32), generator=generator)
    wanted, count, inputs = [], 0, 1
    for channels, length in zip([64, 128, 256, 512, 512], GROUPS[depth], strict=True):
        for _ in range(length):
            wanted += [("conv", inputs, channels), "bn", "relu"]
            count += 9 * inputs * channels + 2 * channels
            inputs = channels
        wanted.append("pool")
    count += 512 * 10 + 10
    kinds = {nn.BatchNorm2d: "bn", nn.ReLU: "relu", nn.MaxPool2d: "pool"}
    found = [("conv", m.in_channels, m.out_channels) if isinstance(m, nn.Conv2d) else kinds.get(type(m)) for m in net]
    assert found == [*wanted, None, None, None]  # the average, flatten, and the linear layer
    assert sum(p.numel() for p in net.parameters()) == count


@pytest.mark.parametrize(("depth", "parameters"), [(16, 14_724_042), (19, 20_035_018)])
def test_parameters_for_cifar(generator, depth, parameters):
    assert sum(p.numel() for p in vgg(depth, generator=generator).parameters()) == parameters


def test_larger_images_are_averaged(generator):
    net = vgg(16, input_shape=(3, 64, 96), classes=4, width=0.05, generator=generator).eval()
    x = torch.randn(2, 3, 64, 96, generator=generator)
    h = net[: list(dict(net.named_children())).index("avgpool")](x)
    assert h.shape[2:] == (2, 3)
    torch.testing.assert_close(net(x), net.fc(h.mean((2, 3))))


def test_biases_are_those_of_normalisation_and_of_the_linear_layer(generator):
    biases = {
        b: {n for n, _ in vgg(16, width=0.05, bias=b, generator=generator).named_parameters() if "bias" in n}
        for b in (True, False)
    }
    assert biases[False] == {f"bn{i}.bias" for i in range(1, 14)}
    assert biases[True] == biases[False] | {"fc.bias"}


def test_what_makes_no_network_is_refused(generator):
    with pytest.raises(ValueError, match="depth 16 or 19, got 11"):
        vgg(11, generator=generator)
    with pytest.raises(ValueError, match=r"vgg-16 takes .* at least 32 x 32, but an example has 1 x 28 x 28"):
        vgg(16, input_shape=(1, 28, 28), generator=generator)
