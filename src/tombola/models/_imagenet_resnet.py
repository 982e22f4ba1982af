"""The residual networks for photographs: ResNet-18 and ResNet-50.

References:
    [He2016] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016, Table 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._images import checked_image, scaled
from tombola.models._layers import averaged, drawn
from tombola.models._residual import BasicBlock, Block, Bottleneck, stages

CHANNELS = (64, 128, 256, 512)
KINDS: dict[int, tuple[Block, tuple[int, ...]]] = {18: (BasicBlock, (2, 2, 2, 2)), 50: (Bottleneck, (3, 4, 6, 3))}


def imagenet_resnet(
    depth: int,
    *,
    input_shape: Sequence[int] = (3, 224, 224),
    classes: int = 1000,
    width: float = 1.0,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Sequential:
    """ResNet-18 or -50 [He2016]: maps `(batch, *input_shape)` to `(batch, classes)`.

    A 7x7 convolution of stride 2, a 3x3 max-pool of stride 2, four stages with 64, 128, 256 and 512 channels, the
    average of each channel, one linear layer; batch normalisation after each convolution. Shortcuts are projections
    where shapes differ. In ResNet-50 the 3x3 convolution of a block has its stride, not the first 1x1 as in the paper.

    Args:
        depth: 18, of basic blocks, or 50, of bottlenecks, whose outputs have four times as many channels.
        input_shape: `(channels, height, width)` of one image; sides are divided by 32 and rounded up.
        classes: number of outputs.
        width: factor on all numbers of channels.
        bias: whether the linear layer has biases; convolutions have none before batch normalisation.
        generator: source of the weights, see `draw_parameters`; the model is made on its device.

    Raises:
        ValueError: if there is no such depth, an example is no image, or a number is not positive.

    Example:
        >>> net = imagenet_resnet(50, width=0.25, generator=torch.Generator().manual_seed(0))
        >>> net.stage4.block3.conv2.weight.shape, net.fc.weight.shape
        (torch.Size([128, 128, 3, 3]), torch.Size([1000, 512]))
    """
    if depth not in KINDS:
        raise ValueError(f"a ResNet for photographs has depth 18 or 50, got {depth}")
    channels, *_ = checked_image(f"resnet-{depth}", input_shape, classes, width=width)
    block, counts = KINDS[depth]
    wide = [scaled(units, width) for units in CHANNELS]
    layers = {
        "conv1": nn.Conv2d(channels, wide[0], 7, stride=2, padding=3, bias=False, device="meta"),
        "bn1": nn.BatchNorm2d(wide[0], device="meta"),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(3, stride=2, padding=1),
        **stages(block, wide[0], wide, counts),
        **averaged(block.expansion * wide[-1], classes, bias=bias),
    }
    return drawn(layers, generator=generator)
