"""Meet in the middle for tensors: many instances at once, on the device where they are.

Lists of partial sums are `(rows, length)` in float64; the place of a sum in `subset_sums` is the subset, as bits.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor


def subset_sums(pools: Float64[Tensor, "b h"]) -> Float64[Tensor, "b N"]:
    """The sums of all subsets, `(b, 2^h)`: bit j of the place tells whether candidate j is in, added in that order."""
    sums = pools.new_zeros(len(pools), 1)
    for column in pools.split(1, dim=1):
        sums = torch.cat([sums, sums + column], 1)
    return sums


def bits(masks: Int64[Tensor, " b"], n: int) -> Bool[Tensor, "b n"]:
    """The subsets that the masks stand for."""
    return (masks[:, None] >> torch.arange(n, device=masks.device) & 1).bool()


def ordered_sum(pools: Float64[Tensor, "b n"], selection: Bool[Tensor, "b n"]) -> Float64[Tensor, " b"]:
    """The selected candidates, added in ascending order of index."""
    total = pools.new_zeros(len(pools))
    for j in range(pools.shape[1]):
        total = total + torch.where(selection[:, j], pools[:, j], 0.0)
    return total


def closest_pair(
    left: Float64[Tensor, "b L"], right: Float64[Tensor, "b R"], targets: Float64[Tensor, " b"]
) -> tuple[Float64[Tensor, " b"], Int64[Tensor, " b"], Int64[Tensor, " b"]]:
    """The pair of a list and a sorted list whose sum is closest to the target: its error and both places.

    O(L log R) time per row.
    """
    wanted = targets[:, None] - left
    above = torch.searchsorted(right, wanted).clamp_(max=right.shape[1] - 1)
    below = (above - 1).clamp_(min=0)
    gap_above, gap_below = (right.gather(1, place).sub_(wanted).abs_() for place in (above, below))
    place = torch.where(gap_below < gap_above, below, above)
    gap, i = torch.minimum(gap_above, gap_below).min(1)
    return gap, i, place.gather(1, i[:, None])[:, 0]


def lightest_in_windows(
    weights: Float64[Tensor, "b R"], first: Int64[Tensor, "b L"], last: Int64[Tensor, "b L"]
) -> tuple[Float64[Tensor, "b L"], Int64[Tensor, "b L"]]:
    """The smallest weight among places first..last-1 and where it is; infinite for an empty window.

    Minima over runs of 2^p places are doubled level by level, and a window is answered by the two runs of its level
    that cover it: O((L + R) log R) time, O(L + R) memory.
    """
    length = last - first
    lightest = torch.full_like(first, torch.inf, dtype=weights.dtype)
    where = torch.zeros_like(first)
    run, place = weights, torch.arange(weights.shape[1], device=weights.device).expand_as(weights)
    width = 1
    while True:
        mine = (length >= width) & (length < 2 * width)
        for start in (first, last - width):
            start = start.clamp(0, run.shape[1] - 1)
            weight = run.gather(1, start)
            better = mine & (weight < lightest)
            lightest = torch.where(better, weight, lightest)
            where = torch.where(better, place.gather(1, start), where)
        if run.shape[1] <= width:
            return lightest, where
        right = run[:, width:] < run[:, :-width]
        run = torch.where(right, run[:, width:], run[:, :-width])
        place = torch.where(right, place[:, width:], place[:, :-width])
        width *= 2
