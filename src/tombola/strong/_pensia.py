"""Subset sums in blocks of equal size.

[Pensia2020] Pensia, Rajput, Nagle, Vishwakarma, Papailiopoulos, "Optimal lottery tickets via SubsetSum".
"""

from __future__ import annotations

from tombola.random_source import Uniform
from tombola.subset_sum import failure_probability, recommended_size

from ._adaptive import LARGEST_SUM
from ._blocks import FAILURE, Blocks, build_blocks, largest_magnitude, smallest_block, sum_rule
from ._layer import BuiltLayer, Recipe, TargetLayer

LEAST_FACTOR = 0.5
CHANCE = 0.25  # that an inner weight has the port's sign and is no smaller than that
WIDER = 2.0  # the range of the outer weights over that of the targets, which then lie well inside what pools reach


def pensia(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """Every weight as a subset sum of products in a blind block of `O(log(N / epsilon))` units; depth 2L.

    A port owns the units of its block whose inner weight is at least 1/2 in the direction of its sign. Their products
    do what uniform numbers do, and the first n of them are the pool, where n = `recommended_size(epsilon, N)` for N
    targets. Blocks are so large that a pool falls short of n rarely enough.

    Guarantee: all weights of the network meet the tolerance with probability about 0.99; heuristic, as the law of
    `failure_probability` is fitted to uniform numbers, and [Pensia2020] gives no constant. Measured on 40,000 targets
    per setting at tolerances from 0.2 % to 5 %: a target uniform over its range fails no more often than accepted, one
    as large as the largest up to 2.4 times as often. Sums are exact.

    Deviations from the paper: units with small inner weights are left out, as they make elements too short to be worth
    an edge; the outer weights are scaled to the layer. `two_layer` needs less than a tenth of the units: it hands
    them out where they are needed.

    Args:
        layers: the target's layers in order.
        recipe: the source, the solver and the workers.

    Returns:
        One record per layer, misses included.

    Raises:
        ValueError: if pools would have more than 40 numbers, or the masks of a layer take more than 2^28 bits.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import construct
        >>> net = nn.Sequential(nn.Linear(3, 2, bias=False))
        >>> ticket = construct(net, torch.zeros(1, 3), construction=pensia)
        >>> ticket.tensors["0.out"].mask.shape[0]  # six blocks: three inputs, two signs
        558
    """
    return build_blocks(layers, recipe, lambda layer, count: subset_blocks(layer, count, recipe))


def subset_blocks(layer: TargetLayer, count: int, recipe: Recipe) -> Blocks:
    """Blocks whose pools meet each of `count` targets, but for half of the accepted probability, if long enough."""
    epsilon = min(1.0, layer.tolerance / largest_magnitude(layer))
    pool = recommended_size(epsilon, count, failure=FAILURE / 2)
    if pool > LARGEST_SUM:
        raise ValueError(
            f"layer {layer.name!r}: {count} weights at a tolerance of {epsilon:.2g} want pools of {pool} numbers, more "
            f"than the {LARGEST_SUM} that solvers take: allow a coarser tolerance, or use two_layer"
        )
    laws = [1.0, *(failure_probability(n, epsilon) for n in range(1, pool + 1))]
    size = smallest_block(CHANCE, lambda n: laws[min(n, pool)], FAILURE / count)
    outer = Uniform(WIDER * largest_magnitude(layer))
    return Blocks(size, Uniform(1.0), outer, LEAST_FACTOR, sum_rule(recipe.solver, most=pool))
