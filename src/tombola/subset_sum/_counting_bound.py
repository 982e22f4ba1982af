"""How many parameters any random network must have before pruning.

- Pensia2020: Pensia, Rajput, Nagle, Vishwakarma, Papailiopoulos, "Optimal lottery tickets via
  subset sum", NeurIPS 2020.
"""

from __future__ import annotations

import math


def counting_bound(count: int, epsilon: float) -> float:
    """The number of parameters below which no network can be pruned to within epsilon of every choice of weights.

    `count log2(1 / (2 epsilon))`, at least 0. Derived by packing, as for Theorem 2 of [Pensia2020]: m parameters have
    2^m subnetworks, each is within epsilon of a box of side 2 epsilon, and the boxes must cover [-1/2, 1/2]^count. To
    succeed with probability 1/2 for each fixed target one parameter less is enough.

    Args:
        count: how many weights the target has, at least 0.
        epsilon: the largest error of a weight, above 0, for weights in an interval of length 1.

    Returns:
        The bound, a lower bound on the size of the parent network.

    Raises:
        ValueError: if `count` is negative or `epsilon` is not positive.

    Example:
        >>> round(counting_bound(397_000, 0.01) / 397_000, 2)  # bits per weight
        5.64
    """
    if count < 0 or not epsilon > 0:
        raise ValueError(f"count must be at least 0 and epsilon positive, got {count} and {epsilon}")
    return count * max(0.0, math.log2(1 / (2 * epsilon)))
