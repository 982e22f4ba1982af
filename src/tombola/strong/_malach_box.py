"""One edge for each weight and sign: the first construction, with hidden units whose inner weight is nearly 1.

[Malach2020] Malach, Yehudai, Shalev-Shwartz, Shamir, "Proving the lottery ticket hypothesis: pruning is all you need".
"""

from __future__ import annotations

import math

import numpy as np

from tombola.random_source import Uniform

from ._blocks import FAILURE, Blocks, build_blocks, largest_magnitude, nearest_unit
from ._layer import BuiltLayer, Recipe, TargetLayer


def malach_box(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """Every weight as one hidden unit whose two weights are both close to what is wanted; depth 2L.

    A port owns the units whose inner weight is within eta of 1 (of -1 for the negative sign), and each target keeps the
    unit whose outer weight is nearest to it. With both within eta, the product is within 2 eta, in units of the
    half-width of the outer weights. A unit is in the box of one target with probability at least eta^2 / 2.

    Guarantee: probabilistic; all weights of the network meet the tolerance with probability at least 0.99. Blocks have
    `ceil(2 ln(N / 0.01) / eta^2)` units for N targets [Malach2020], which is many: about 10^6 at a tolerance of 1 %,
    where `malach_product` needs less than 10^4. Time and memory grow with the blocks.

    Deviations from the paper: targets share the block of their port instead of having one each; the outer weights are
    scaled to the layer.

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
        >>> from tombola import Tolerance, construct
        >>> net = nn.Sequential(nn.Linear(2, 2, bias=False))
        >>> ticket = construct(net, torch.zeros(1, 2), construction=malach_box, tolerance=Tolerance(0.2))
        >>> ticket.tensors["0.out"].mask.kept <= 2 * 4, ticket.tensors["0.out"].mask.shape[0] > 1000
        (True, True)
    """
    return build_blocks(layers, recipe, box_blocks)


def box_blocks(layer: TargetLayer, count: int) -> Blocks:
    """Blocks in which every one of `count` targets has a unit in its box, but for the accepted probability.

    The half-width h leaves room for a box around the largest target: `h (1 - eta)` is its magnitude.
    """
    half_width = largest_magnitude(layer) + layer.tolerance / 2
    eta = layer.tolerance / (2 * half_width)
    size = math.ceil(2 * math.log(count / FAILURE) / eta**2)
    return Blocks(size, Uniform(1.0), Uniform(half_width), 1 - eta, nearest_outer)


def nearest_outer(factors: np.ndarray, rows: np.ndarray, targets: np.ndarray, tolerance: float) -> np.ndarray:
    """The rule that keeps the unit whose outer weight, the inner one taken as 1, is nearest to the target."""
    return nearest_unit(np.sign(factors)[:, None] * rows, targets)
