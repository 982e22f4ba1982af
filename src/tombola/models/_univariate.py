"""Networks of functions of one variable that all pixels share, in the shape of universal tickets.

References:
    [BurkholzUniversal2022] R. Burkholz, N. Laha, R. Mukherjee, A. Gotovos, "On the existence of universal lottery
    tickets", ICLR 2022. The file with the layout of its networks for images was not released: the layout is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from tombola.models._images import checked_image, scaled
from tombola.models._layers import drawn


def univariate_net(
    blocks: int,
    *,
    input_shape: Sequence[int] = (1, 28, 28),
    classes: int = 10,
    knots: int = 64,
    features: int = 256,
    width: float = 1.0,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Sequential:
    """Univariate blocks about a linear map, then a linear read-out: `(batch, *input_shape)` to `(batch, classes)`.

    A block is a function of one number, `out(relu(in(x)))` with as many hidden units as the function has knots, the
    same one for all pixels of all channels, or for all features: a 1x1 convolution, its channels last. With two blocks
    this is the shape of polynomials, `exp(R log x)`, with one that of Fourier features, `sin(W x + b)`, two families
    of [BurkholzUniversal2022]. Any functions can stand in the places of logarithm, exponential and sine.

    Args:
        blocks: 1, behind the linear map, or 2, before it and behind it.
        input_shape: `(channels, height, width)` of one image.
        classes: number of outputs.
        knots: hidden units of each block.
        features: outputs of the linear map.
        width: factor on knots and features.
        bias: whether the layers have biases; without them a block has no knot but at 0.
        generator: source of the weights, see `draw_parameters`; the model is made on its device.

    Raises:
        ValueError: if there are other blocks, an example is no image, or a number is not positive.

    Example:
        >>> nets = [univariate_net(blocks, generator=torch.Generator().manual_seed(0)) for blocks in (1, 2)]
        >>> [sum(p.numel() for p in net.parameters()) for net in nets]
        [203723, 203916]
        >>> nets[0](torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 10])
    """
    if blocks not in (1, 2):
        raise ValueError(f"there are one or two univariate blocks, got {blocks}")
    if min(knots, features) < 1:
        raise ValueError(f"knots and features must be positive, got {knots} and {features}")
    name = "univariate-polynomial" if blocks == 2 else "univariate-fourier"
    pixels, knots = math.prod(checked_image(name, input_shape, classes, width=width)), scaled(knots, width)
    features = scaled(features, width)
    layers: dict[str, nn.Module] = {"flatten": nn.Flatten()}
    if blocks == 2:
        layers |= _block(1, pixels, knots, bias=bias)
    layers["map"] = nn.Linear(pixels, features, bias=bias, device="meta")
    layers |= _block(blocks, features, knots, bias=bias)
    layers["fc"] = nn.Linear(features, classes, bias=bias, device="meta")
    return drawn(layers, generator=generator)


def _block(number: int, count: int, knots: int, *, bias: bool) -> dict[str, nn.Module]:
    """One function for each of `count` numbers: `(batch, count)` to `(batch, count)`."""
    return {
        f"split{number}": nn.Unflatten(1, (count, 1)),
        f"in{number}": nn.Linear(1, knots, bias=bias, device="meta"),
        f"relu{number}": nn.ReLU(),
        f"out{number}": nn.Linear(knots, 1, bias=bias, device="meta"),
        f"join{number}": nn.Flatten(),
    }
