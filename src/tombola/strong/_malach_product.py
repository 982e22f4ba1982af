"""One edge for each weight and sign, where only the product of a hidden unit's two weights has to fit.

[Malach2020] Malach, Yehudai, Shalev-Shwartz, Shamir, "Proving the lottery ticket hypothesis: pruning is all you need".
"""

from __future__ import annotations

import math

from tombola.random_source import Uniform

from ._blocks import FAILURE, Blocks, build_blocks, largest_magnitude, nearest_product
from ._layer import BuiltLayer, Recipe, TargetLayer


def malach_product(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """Every weight as the one hidden unit whose product of inner and outer weight is nearest to it; depth 2L.

    A port owns the units whose inner weight has its sign. On (-1, 1) the product of two uniform numbers has the density
    `ln(1 / |z|) / 2`, so where the outer weights are scaled to twice the largest target, a unit is within eta of a
    target with probability at least `eta (ln 2) / 2`, by convexity.

    Guarantee: probabilistic; all weights of the network meet the tolerance with probability at least 0.99. Blocks have
    `ceil(2 ln(N / 0.01) / (eta ln 2))` units for N targets: linear in 1 / eta, where `malach_box` is quadratic.

    Deviation from [Malach2020]: both weights of a unit need not be close to what is wanted, their product is.

    Args:
        layers: the target's layers in order.
        recipe: the source and the workers; the solver is not used.

    Returns:
        One record per layer, misses included.

    Raises:
        ValueError: if the masks of a layer would take more than 2^28 bits.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import construct
        >>> net = nn.Sequential(nn.Linear(3, 2, bias=False))
        >>> ticket = construct(net, torch.zeros(1, 3), construction=malach_product)
        >>> ticket.tensors["0.out"].mask.kept <= 2 * 6  # an edge for each sign of each weight
        True
    """
    return build_blocks(layers, recipe, product_blocks)


def product_blocks(layer: TargetLayer, count: int) -> Blocks:
    """Blocks in which every one of `count` targets has a unit near it, but for the accepted probability."""
    half_width = 2 * largest_magnitude(layer)
    eta = layer.tolerance / half_width
    size = math.ceil(2 * math.log(count / FAILURE) / (eta * math.log(2)))
    return Blocks(size, Uniform(1.0), Uniform(half_width), 0.0, nearest_product)
