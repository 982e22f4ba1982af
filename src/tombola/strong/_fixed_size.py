"""Sums of a fixed number of products: how sparse a ticket is made to be, against the size of its parent.

[Natale2024] Natale et al., "On the sparsity of the strong lottery ticket hypothesis", NeurIPS 2024.
"""

from __future__ import annotations

import math
from functools import partial

from tombola.random_source import Uniform
from tombola.subset_sum import of_size

from ._blocks import FAILURE, Blocks, build_blocks, largest_magnitude, smallest_block, sum_rule
from ._construct import Construction
from ._layer import BuiltLayer, Recipe, TargetLayer
from ._malach_product import product_blocks

SIZES = range(1, 7)
OWN_SIGN = 0.25  # that a unit can be owned, and its product has the sign of the target


def fixed_size(k: int) -> Construction:
    """The construction that keeps exactly k edges for each weight above the tolerance and sign; depth 2L.

    The more edges a weight may keep, the smaller the blocks: n numbers have `C(n, k)` sums of k, and a target is missed
    with probability p where `C(n, k) = sqrt(2 pi k / 3) / (2 epsilon) ln(1 / p)`, epsilon being the tolerance in units
    of the half-width of n uniform numbers. k = 1, where sums are products, is `malach_product`; many edges are
    `pensia`.

    Guarantee: for k = 1 that of `malach_product`; else heuristic, because sums are counted as if they were independent.
    To make up for it, only those of a port's units are counted whose products have the sign of the target. Measured on
    20,000 targets per setting, for k = 2..6 at a tolerance of 5 % and k = 2, 3 at 1 %: targets fail no more often than
    accepted, also where all are as large as the largest. Sums are exact. Cost for each target: that of `of_size`; at
    k = 5 some hundred times that of k = 1.

    Args:
        k: how many edges, from 1 to 6.

    Returns:
        A construction for `construct`; of the recipe it uses the source and the workers, not the solver. It raises
        ValueError if the masks of a layer would take more than 2^28 bits, or blocks are too large for k edges.

    Raises:
        ValueError: if k is out of range.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import construct
        >>> net = nn.Sequential(nn.Linear(3, 2, bias=False))
        >>> tickets = [construct(net, torch.zeros(1, 3), construction=fixed_size(k)) for k in (1, 3)]
        >>> [ticket.tensors["0.out"].mask.shape[0] for ticket in tickets]
        [24552, 606]
        >>> [round(ticket.record["report"]["kept_per_nonzero_weight"]) for ticket in tickets]
        [1, 3]
    """
    if k not in SIZES:
        raise ValueError(f"k must be from {SIZES[0]} to {SIZES[-1]} edges, got {k}; `pensia` keeps more")

    def construction(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
        return build_blocks(layers, recipe, partial(sized_blocks, k=k))

    construction.__name__ = f"fixed_size({k})"
    return construction


def sized_blocks(layer: TargetLayer, count: int, *, k: int) -> Blocks:
    """Blocks in which each of `count` targets has a sum of k products near it, but for the accepted probability.

    Products of a uniform inner weight from (0, 1) and an outer one from (-h, h) vary as much as numbers from
    (-h / sqrt 3, h / sqrt 3) do; h is such that this is the range of the targets. For k = 1 sums are far from normal,
    and the density of one product is known.
    """
    if k == 1:
        return product_blocks(layer, count)
    half_width = math.sqrt(3) * largest_magnitude(layer)
    sums = math.sqrt(2 * math.pi * k / 3) / (2 * layer.tolerance / largest_magnitude(layer))
    size = smallest_block(OWN_SIGN, lambda n: math.exp(-math.comb(n, k) / sums), FAILURE / count)
    return Blocks(size, Uniform(1.0), Uniform(half_width), 0.0, sum_rule(partial(of_size, size=k)))
