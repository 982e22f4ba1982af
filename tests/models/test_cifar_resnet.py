import pytest
import torch
from torch import nn

from tombola.models import cifar_resnet


@pytest.mark.parametrize(("depth", "blocks", "option_a"), [(20, 3, 269_722), (32, 5, 464_154), (56, 9, 853_018)])
def test_the_networks_of_the_paper_with_projections(generator, depth, blocks, option_a):
    net = cifar_resnet(depth, generator=generator)
    assert [len(net.get_submodule(f"stage{i}")) for i in (1, 2, 3)] == [blocks] * 3
    projections = [p.numel() for name, p in net.named_parameters() if "shortcut" in name]
    assert sum(projections) == 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert sum(p.numel() for p in net.parameters()) - sum(projections) == option_a  # 0.27, 0.46 and 0.85 million there
    with_stride = [name for name, m in net.named_modules() if isinstance(m, nn.Conv2d) and m.stride == (2, 2)]
    assert with_stride == [f"stage{i}.block1.{part}" for i in (2, 3) for part in ("conv1", "shortcut.conv")]


def test_the_depth_counts_layers_with_weights_but_projections(generator):
    net = cifar_resnet(44, width=0.1, generator=generator)
    layers = [n for n, m in net.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "shortcut" not in n]
    assert len(layers) == 44


def test_half_as_wide(generator):
    net = cifar_resnet(20, width=0.5, generator=generator)
    assert [net.get_submodule(f"stage{i}.block3.conv2").out_channels for i in (1, 2, 3)] == [8, 16, 32]
    assert net.conv1.out_channels == 8


def test_stages_see_the_image_at_a_half_and_a_quarter(generator):
    net = cifar_resnet(20, input_shape=(1, 28, 20), classes=3, width=0.1, generator=generator).eval()
    h, sizes = torch.randn(2, 1, 28, 20, generator=generator), []
    for name, child in net.named_children():
        h = child(h)
        if name.startswith("stage"):
            sizes.append(tuple(h.shape[2:]))
    assert sizes == [(28, 20), (14, 10), (7, 5)]
    assert h.shape == (2, 3)


@pytest.mark.parametrize("depth", [18, 2, 0, -4])
def test_depths_that_there_are_not_are_refused(generator, depth):
    with pytest.raises(ValueError, match=rf"6 n \+ 2.*got {depth}"):
        cifar_resnet(depth, generator=generator)
