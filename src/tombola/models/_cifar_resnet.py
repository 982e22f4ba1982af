"""The residual networks for small images: ResNet-20, -32, -56 and others of their kind.

References:
    [He2016] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016, Section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._images import checked_image, scaled
from tombola.models._layers import averaged, drawn
from tombola.models._residual import BasicBlock, stages

CHANNELS = (16, 32, 64)


def cifar_resnet(
    depth: int,
    *,
    input_shape: Sequence[int] = (3, 32, 32),
    classes: int = 10,
    width: float = 1.0,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Sequential:
    """A ResNet for small images [He2016]: maps `(batch, *input_shape)` to `(batch, classes)`.

    A 3x3 convolution, three stages of `(depth - 2) / 6` basic blocks with 16, 32 and 64 channels, the average of each
    channel, one linear layer; batch normalisation after each convolution. Where a stage begins with more channels, the
    shortcut is a 1x1 convolution with batch normalisation (option B of the paper). The paper's choice for these
    networks is option A, every second pixel and channels of zeros; B has 2752 parameters more.

    Args:
        depth: 6 n + 2, as 20, 32, 44, 56 or 110.
        input_shape: `(channels, height, width)` of one image.
        classes: number of outputs.
        width: factor on all numbers of channels.
        bias: whether the linear layer has biases; convolutions have none before batch normalisation.
        generator: source of the weights, see `draw_parameters`; the model is made on its device.

    Raises:
        ValueError: if there is no such depth, an example is no image, or a number is not positive.

    Example:
        >>> net = cifar_resnet(20, generator=torch.Generator().manual_seed(0))
        >>> sum(p.numel() for p in net.parameters())
        272474
        >>> net.stage2.block1.shortcut.conv.weight.shape
        torch.Size([32, 16, 1, 1])
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"the depth of such a ResNet is 6 n + 2, as 20, 32 or 56; got {depth}")
    channels, *_ = checked_image(f"resnet-{depth}", input_shape, classes, width=width)
    wide = [scaled(units, width) for units in CHANNELS]
    layers = {
        "conv1": nn.Conv2d(channels, wide[0], 3, padding=1, bias=False, device="meta"),
        "bn1": nn.BatchNorm2d(wide[0], device="meta"),
        "relu1": nn.ReLU(),
        **stages(BasicBlock, wide[0], wide, [blocks] * 3),
        **averaged(wide[-1], classes, bias=bias),
    }
    return drawn(layers, generator=generator)
