"""Which weights stay, given a score for each and how many."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .masks import Masks

Scores = dict[str, Tensor]


def top(scores: Mapping[str, Tensor], kept: int | Mapping[str, int]) -> Masks:
    """The masks of the weights with the largest scores.

    Exact: as many as asked for, also where scores are equal; among equals the first in order of parameters and of
    position stay. Cost: O(n), a partition around the last score that stays.

    Args:
        scores: real numbers by parameter name; -inf never stays unless there is nothing else.
        kept: how many in all, or for each parameter.

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
        return {name: _largest(score.flatten(), kept[name]).view_as(score) for name, score in scores.items()}
    whole = torch.cat([score.flatten().cpu() for score in scores.values()])
    parts = _largest(whole, kept).split([score.numel() for score in scores.values()])
    return {
        name: part.view_as(score).to(score.device) for (name, score), part in zip(scores.items(), parts, strict=True)
    }


def _largest(scores: Tensor, kept: int) -> Tensor:
    """Which of `(n,)` scores are the largest, the first of equal ones."""
    if not 0 <= kept <= scores.numel():
        raise ValueError(f"{kept} of {scores.numel()} weights cannot stay")
    if kept == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    least = scores.kthvalue(scores.numel() - kept + 1).values
    chosen = scores > least
    equal = (scores == least).nonzero().flatten()
    chosen[equal[: kept - int(chosen.sum())]] = True
    return chosen
