"""LeNet-5, the small convolutional network of the pruning literature.

References:
    [LeCun1998] Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proc. IEEE 86 (1998).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._images import checked_image
from tombola.models._layers import dense, drawn

SMALLEST = 8


def lenet_5(
    *,
    input_shape: Sequence[int] = (1, 28, 28),
    classes: int = 10,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Sequential:
    """LeNet-5 [LeCun1998] with ReLU and max-pooling: maps `(batch, *input_shape)` to `(batch, classes)`.

    Two 5x5 convolutions with 6 and 16 channels, each followed by a 2x2 max-pool, then linear layers of 120, 84 and
    `classes` outputs. Other than in the paper, the activation is ReLU instead of a scaled tanh, pools take the maximum
    and have no parameters, every map of the second convolution sees all six of the first, and the outputs are linear.
    The paper shows 28 x 28 digits on a field of 32 x 32: images below 32 are padded by 2 here, and by 4 if they are
    below 12, where less would leave nothing after the second pool.

    Args:
        input_shape: `(channels, height, width)` of one image, each side at least 8.
        classes: number of outputs.
        bias: whether convolutions and linear layers have biases.
        generator: source of the weights, see `draw_parameters`; the model is made on its device.

    Raises:
        ValueError: if an example is no image or too small, or there are no classes.

    Example:
        >>> net = lenet_5(generator=torch.Generator().manual_seed(0))
        >>> sum(p.numel() for p in net.parameters())
        61706
    """
    channels, *sides = checked_image("lenet-5", input_shape, classes, smallest=SMALLEST)
    padding = _padding(min(sides))
    rows, columns = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in sides)
    layers = {
        "conv1": nn.Conv2d(channels, 6, 5, padding=padding, bias=bias, device="meta"),
        "relu1": nn.ReLU(),
        "pool1": nn.MaxPool2d(2),
        "conv2": nn.Conv2d(6, 16, 5, bias=bias, device="meta"),
        "relu2": nn.ReLU(),
        "pool2": nn.MaxPool2d(2),
        **dense([16 * rows * columns, 120, 84, classes], bias=bias, relus=2),
    }
    return drawn(layers, generator=generator)


def _padding(side: int) -> int:
    if side >= 32:
        return 0
    return 2 if side >= 12 else 4
