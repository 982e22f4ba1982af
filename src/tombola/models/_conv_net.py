"""Conv-2, Conv-4 and Conv-6, the scaled-down VGG networks of the lottery ticket papers.

References:
    [Frankle2019] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
    ICLR 2019, Figure 2.
    [Ramanujan2020] V. Ramanujan, M. Wortsman, A. Kembhavi, A. Farhadi, M. Rastegari, "What's hidden in a randomly
    weighted neural network?", CVPR 2020, which also scales the widths.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._images import checked_image, scaled
from tombola.models._layers import convolutions, dense, drawn

PAIRS = (64, 128, 256)


def conv_net(
    depth: int,
    *,
    input_shape: Sequence[int] = (3, 32, 32),
    classes: int = 10,
    width: float = 1.0,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Sequential:
    """Conv-2, -4 or -6 [Frankle2019]: maps `(batch, *input_shape)` to `(batch, classes)`.

    One, two or three pairs of 3x3 convolutions with 64, 128 and 256 channels, padded by 1 and with ReLU, a 2x2 max-pool
    after each pair; then linear layers of 256, 256 and `classes` outputs.

    Args:
        depth: how many convolutions, 2, 4 or 6.
        input_shape: `(channels, height, width)` of one image, each side at least 2, 4 or 8.
        classes: number of outputs.
        width: factor on all numbers of channels and of hidden units [Ramanujan2020].
        bias: whether convolutions and linear layers have biases.
        generator: source of the weights, see `draw_parameters`; the model is made on its device.

    Raises:
        ValueError: if there is no such depth, an example is no image or too small, or a number is not positive.

    Example:
        >>> nets = [conv_net(depth, generator=torch.Generator().manual_seed(0)) for depth in (2, 4, 6)]
        >>> [sum(p.numel() for p in net.parameters()) for net in nets]
        [4301642, 2425930, 2262602]
    """
    if depth not in (2, 4, 6):
        raise ValueError(f"a conv net has 2, 4 or 6 convolutions, got {depth}")
    pairs = depth // 2
    channels, rows, columns = checked_image(f"conv-{depth}", input_shape, classes, width=width, smallest=2**pairs)
    wide, hidden = [scaled(units, width) for units in PAIRS[:pairs]], scaled(256, width)
    flat = wide[-1] * (rows >> pairs) * (columns >> pairs)
    layers = convolutions(channels, [[units, units] for units in wide], norm=False, bias=bias)
    layers |= dense([flat, hidden, hidden, classes], bias=bias, relus=depth)
    return drawn(layers, generator=generator)
