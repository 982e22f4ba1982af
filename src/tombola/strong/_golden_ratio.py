"""Sums without a search: hidden units with log-uniform weights, and a greedy walk down the golden ratio.

[Orseau2020] Orseau, Hutter, Rivasplata, "Logarithmic pruning is all you need", NeurIPS 2020.
"""

from __future__ import annotations

import math

import numpy as np

from tombola.random_source import LogUniform
from tombola.subset_sum import golden_bins, golden_ratio_greedy

from ._blocks import FAILURE, Blocks, build_blocks, largest_magnitude
from ._layer import BuiltLayer, Recipe, TargetLayer

PHI = (1 + math.sqrt(5)) / 2


def golden_ratio(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """Every weight as a sum that a greedy walk finds, one product from each golden-ratio bin at most; depth 2L.

    Inner weights are log-uniform over one bin, outer ones over k + 1 bins, so that the logarithm of their product is
    uniform over the k bins that the greedy needs: `k = ceil(1 + log_phi(beta / epsilon))`, beta the largest target over
    phi. A unit has the port's sign, the target's sign and a given bin with probability `1 / (4 (k + 1))`.

    Guarantee: probabilistic; all weights of the network meet the tolerance with probability at least 0.99, because all
    bins of all N targets are filled. Blocks have `ceil(4 (k + 1) ln(k N / 0.01))` units (coupon collector) and a weight
    keeps at most k edges [Orseau2020]. Cost: O(units + k) for each weight, no search.

    Deviations from the paper: bins serve both signs of the target instead of a binary decomposition of its magnitude;
    the inner weights stay within one bin of 1, which makes the bins of products equally likely.

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
        >>> ticket = construct(net, torch.zeros(1, 3), construction=golden_ratio)
        >>> ticket.record["report"]["kept_per_weight"] <= golden_bins(1.0, 0.01)
        True
    """
    return build_blocks(layers, recipe, golden_blocks)


def golden_blocks(layer: TargetLayer, count: int) -> Blocks:
    """Blocks in which every bin of every one of `count` targets is filled, but for the accepted probability."""
    largest = largest_magnitude(layer)
    bins = golden_bins(largest, layer.tolerance)
    size = math.ceil(4 * (bins + 1) * math.log(bins * count / FAILURE))
    beta = largest / PHI
    outer = LogUniform(beta * PHI**-bins, beta * PHI)
    return Blocks(size, LogUniform(1 / PHI, 1.0), outer, 0.0, lambda *problem: walk(beta, *problem))


def walk(beta: float, factors: np.ndarray, rows: np.ndarray, targets: np.ndarray, tolerance: float) -> np.ndarray:
    """The rule that keeps what the greedy takes, with bins from beta downwards."""
    offered = np.ascontiguousarray((factors[:, None] * rows).T) / beta
    return golden_ratio_greedy(offered, targets / beta, epsilon=tolerance / beta).selection.T
