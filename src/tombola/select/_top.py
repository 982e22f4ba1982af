"""The largest scores."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor

from tombola.masks import Masks

from ._largest import largest


def top(
    scores: Mapping[str, Tensor], kept: int | Mapping[str, int], *, generator: torch.Generator | None = None
) -> Masks:
    """The masks of the weights with the largest scores.

    Exact: as many as asked for, also where scores are equal; among equals the first in order of parameters and of
    position stay. Cost: O(n), see `largest`.

    Args:
        scores: real numbers by parameter name; -inf never stays unless there is nothing else.
        kept: how many in all, or for each parameter.
        generator: not used.

    Returns:
        Bool tensors in the shapes and on the devices of the scores.

    Raises:
        ValueError: for NaN scores, names that do not fit, or more than there are.

    Example:
        >>> masks = top({"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0, 2.0])}, 2)
        >>> {name: mask.tolist() for name, mask in masks.items()}
        {'a': [True, False], 'b': [True, False]}
    """
    for name, score in scores.items():
        if score.isnan().any():
            raise ValueError(f"the scores of {name!r} hold NaN")
    if not isinstance(kept, int):
        if set(kept) != set(scores):
            raise ValueError(f"there are scores of {sorted(scores)}, and numbers for {sorted(kept)}")
        return {name: largest([score], kept[name])[0] for name, score in scores.items()}
    devices = {score.device for score in scores.values()}
    device = devices.pop() if len(devices) == 1 else torch.device("cpu")
    dtype = reduce(torch.promote_types, (score.dtype for score in scores.values()))
    chosen = largest([score.to(device, dtype) for score in scores.values()], kept)
    return {name: mask.to(score.device) for (name, score), mask in zip(scores.items(), chosen, strict=True)}
