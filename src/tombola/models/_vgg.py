"""VGG-16 and VGG-19 as the pruning literature uses them for small images.

References:
    [Simonyan2015] K. Simonyan, A. Zisserman, "Very deep convolutional networks for large-scale image recognition",
    ICLR 2015, configurations D and E.
    [Ioffe2015] S. Ioffe, C. Szegedy, "Batch normalization: accelerating deep network training by reducing internal
    covariate shift", ICML 2015.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._images import checked_image, scaled
from tombola.models._layers import averaged, convolutions, drawn

CHANNELS = (64, 128, 256, 512, 512)
LENGTHS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(
    depth: int,
    *,
    input_shape: Sequence[int] = (3, 32, 32),
    classes: int = 10,
    width: float = 1.0,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Sequential:
    """VGG-16 or -19 for small images: maps `(batch, *input_shape)` to `(batch, classes)`.

    The 13 or 16 convolutions of [Simonyan2015], 3x3 and padded by 1, each with batch normalisation [Ioffe2015] and
    ReLU, in five groups of 64, 128, 256, 512 and 512 channels with a 2x2 max-pool after each. Where three linear layers
    follow in the paper, the average of each channel goes into a single one, as is usual in the pruning literature: the
    depth counts two layers that are not there.

    Args:
        depth: 16 or 19.
        input_shape: `(channels, height, width)` of one image, each side at least 32.
        classes: number of outputs.
        width: factor on all numbers of channels.
        bias: whether the linear layer has biases; convolutions have none before batch normalisation.
        generator: source of the weights, see `draw_parameters`; the model is made on its device.

    Raises:
        ValueError: if there is no such depth, an example is no image or too small, or a number is not positive.

    Example:
        >>> net = vgg(16, width=0.25, generator=torch.Generator().manual_seed(0))
        >>> net.conv13, net(torch.zeros(2, 3, 32, 32)).shape
        (Conv2d(128, 128, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False), torch.Size([2, 10]))
    """
    if depth not in LENGTHS:
        raise ValueError(f"a VGG network has depth 16 or 19, got {depth}")
    channels, *_ = checked_image(f"vgg-{depth}", input_shape, classes, width=width, smallest=2 ** len(CHANNELS))
    wide = [scaled(units, width) for units in CHANNELS]
    groups = [[units] * length for units, length in zip(wide, LENGTHS[depth], strict=True)]
    layers = convolutions(channels, groups, norm=True, bias=bias) | averaged(wide[-1], classes, bias=bias)
    return drawn(layers, generator=generator)
