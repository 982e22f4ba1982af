"""Which of very many numbers are the largest, without sorting or joining them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

SAMPLE = 2**16
CHUNK = 2**18  # so that a piece stays in the cache


def largest(parts: Sequence[Tensor], kept: int) -> list[Tensor]:
    """Which numbers are the `kept` largest of several tensors, the first of equal ones.

    Exact. O(n): three passes, and a partition of the few numbers near the last that stays.

    Args:
        parts: numbers of one dtype, on one device, none of them NaN.
        kept: 0 to how many there are.

    Returns:
        Bool tensors in the shapes of the parts.

    Raises:
        ValueError: if so many cannot stay.

    Example:
        >>> [found.tolist() for found in largest([torch.tensor([3.0, 1.0]), torch.tensor([2.0, 2.0])], 2)]
        [[True, False], [True, False]]
    """
    total = sum(part.numel() for part in parts)
    if not 0 <= kept <= total:
        raise ValueError(f"{kept} of {total} weights cannot stay")
    chosen = [torch.zeros(part.numel(), dtype=torch.bool, device=part.device) for part in parts]
    if kept == 0:
        return [found.view(part.shape) for found, part in zip(chosen, parts, strict=True)]
    flat = [part.reshape(-1) for part in parts]
    least, stay = kth_largest(flat, kept), 0
    for piece, out in zip(_pieces(flat), _pieces(chosen), strict=True):
        stay += int(torch.gt(piece, least, out=out).sum())
    for piece, out in zip(_pieces(flat), _pieces(chosen), strict=True):
        if stay == kept:
            break
        equal = (piece == least).nonzero().flatten()[: kept - stay]
        out[equal] = True
        stay += equal.numel()
    return [found.view(part.shape) for found, part in zip(chosen, parts, strict=True)]


def kth_largest(parts: Sequence[Tensor], k: int) -> Tensor:
    """The `k`-th largest number of several tensors of one axis.

    A regular sample says between which two numbers it lies; should the sample mislead, all numbers are partitioned.
    """
    n = sum(part.numel() for part in parts)
    if n > 4 * SAMPLE:
        sample = torch.cat([part[:: n // SAMPLE // 6 * 6 + 1] for part in parts]).sort(descending=True).values
        m = sample.numel()
        place, slack = k / n * m, 5 * math.sqrt(m * k / n * (1 - k / n)) + 5
        high = sample[max(0, int(place - slack))]
        low = sample[min(m - 1, math.ceil(place + slack))]
        above, near = 0, []
        for piece in _pieces(parts):
            reach = piece[piece >= low]
            rest = reach[reach <= high]
            above += reach.numel() - rest.numel()
            near.append(rest)
        between = torch.cat(near)
        if 0 < k - above <= between.numel():
            return between.kthvalue(between.numel() - (k - above) + 1).values
    whole = torch.cat(list(parts))
    return whole.kthvalue(n - k + 1).values


def _pieces(parts: Sequence[Tensor]) -> Iterator[Tensor]:
    for part in parts:
        yield from part.split(CHUNK)
