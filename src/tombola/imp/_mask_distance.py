"""How far two masks are apart, and how far they would be by chance.

References:
    [You2020] H. You et al., "Drawing early-bird tickets: towards more efficient training of deep networks", ICLR 2020.
"""

from __future__ import annotations

import torch

from tombola.masks import Masks


def hamming_distance(first: Masks, second: Masks) -> float:
    """The fraction of weights that one of two masks keeps and the other does not [You2020].

    Raises:
        ValueError: if the masks are not of the same parameters, or of none.

    Example:
        >>> hamming_distance({"w": torch.tensor([True, False, False])}, {"w": torch.tensor([False, True, False])})
        0.6666666666666666
    """
    differing, _, _, total = _counts(first, second)
    return differing / total


def mask_distance(first: Masks, second: Masks) -> float:
    """The same, divided by what it is on average for two independent random masks of these densities.

    0 for equal masks, about 1 for independent ones, at any density `d`: the average is `2 d (1 - d)`, or
    `d (1 - e) + e (1 - d)` for two densities. Undivided, two masks of 5 % are never more than 0.1 apart. The
    division is ours, not of [You2020]. Random masks that keep as many weights of each layer as the other are closer
    than 1.

    Raises:
        ValueError: if the masks are not of the same parameters, or of none.

    Example:
        >>> mask_distance({"w": torch.tensor([True, False, False])}, {"w": torch.tensor([False, True, False])})
        1.5
    """
    differing, one, other, total = _counts(first, second)
    return differing * total / (one * (total - other) + other * (total - one)) if differing else 0.0


def _counts(first: Masks, second: Masks) -> tuple[int, int, int, int]:
    """How many weights two masks differ in, how many either keeps, and of how many."""
    shapes = [{name: mask.shape for name, mask in masks.items()} for masks in (first, second)]
    if shapes[0] != shapes[1] or not first:
        raise ValueError("the masks are not of the same parameters, or of none; compare masks of one model")
    one, other = (torch.cat([masks[name].flatten().cpu() for name in first]) for masks in (first, second))
    return int((one ^ other).sum()), int(one.sum()), int(other.sum()), one.numel()
