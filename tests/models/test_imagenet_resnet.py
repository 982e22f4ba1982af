import pytest
import torch
from torch import nn

from tombola.models import imagenet_resnet


@pytest.mark.parametrize(("depth", "parameters", "blocks"), [(18, 11_689_512, [2] * 4), (50, 25_557_032, [3, 4, 6, 3])])
def test_the_known_numbers_of_parameters(generator, depth, parameters, blocks):
    net = imagenet_resnet(depth, generator=generator)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert [len(net.get_submodule(f"stage{i}")) for i in (1, 2, 3, 4)] == blocks
    layers = [n for n, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in n]
    assert len(layers) == depth


@pytest.mark.parametrize(("depth", "channels"), [(18, [6, 13, 26, 51]), (50, [24, 52, 104, 204])])
def test_the_sizes_of_the_maps_are_those_of_the_table(generator, depth, channels):
    net = imagenet_resnet(depth, width=0.1, generator=generator).eval()
    x, sizes = torch.zeros(1, 3, 224, 224), {}
    for name, child in net.named_children():
        x = child(x)
        sizes[name] = tuple(x.shape[1:])
    assert sizes["conv1"] == (6, 112, 112)
    assert sizes["pool1"] == (6, 56, 56)
    sides = [56, 28, 14, 7]
    assert [sizes[f"stage{i}"] for i in (1, 2, 3, 4)] == [(c, s, s) for c, s in zip(channels, sides, strict=True)]
    assert sizes["fc"] == (1000,)


def test_the_windows_before_the_stages_overlap(generator):
    net = imagenet_resnet(18, width=0.05, generator=generator)
    assert (net.conv1.kernel_size, net.conv1.stride, net.conv1.padding) == ((7, 7), (2, 2), (3, 3))
    x = torch.zeros(1, 1, 6, 6)
    x[0, 0, 3, 3] = 1  # in the windows around 2 and around 4
    torch.testing.assert_close(net.pool1(x)[0, 0], torch.tensor([[0.0, 0, 0], [0, 1, 1], [0, 1, 1]]))


def test_the_first_stage_of_resnet_50_projects_without_stride(generator):
    projection = imagenet_resnet(50, width=0.05, generator=generator).stage1.block1.shortcut.conv
    assert (projection.kernel_size, projection.stride) == ((1, 1), (1, 1))


def test_small_images_fit_as_well(generator):
    net = imagenet_resnet(18, input_shape=(1, 8, 8), classes=10, width=0.1, generator=generator)
    assert net(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_depths_that_there_are_not_are_refused(generator):
    with pytest.raises(ValueError, match="depth 18 or 50, got 34"):
        imagenet_resnet(34, generator=generator)
