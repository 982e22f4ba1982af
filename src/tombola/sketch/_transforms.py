"""What scores become before they are sampled from: numbers that are not negative, larger for better weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tombola.select import Scores

Transform = Callable[[Mapping[str, Tensor]], Scores]


def identity(scores: Mapping[str, Tensor]) -> Scores:
    """The scores as they are; sampling refuses negative ones.

    Args:
        scores: real numbers by parameter name; -inf for weights that are pruned already.

    Example:
        >>> identity({"w": torch.tensor([2.0, 0.0])})["w"].tolist()
        [2.0, 0.0]
    """
    return dict(scores)


def absolute(scores: Mapping[str, Tensor]) -> Scores:
    """The moduli of scores; pruned weights, at -inf, stay there.

    Args:
        scores: real numbers by parameter name.

    Example:
        >>> absolute({"w": torch.tensor([-2.0, 1.0, -torch.inf])})["w"].tolist()
        [2.0, 1.0, -inf]
    """
    return {name: score if _is_positive(score) else _pruned_again(score.abs(), score) for name, score in scores.items()}


def root(scores: Mapping[str, Tensor]) -> Scores:
    """The square roots of moduli, for scores that are squares by nature such as a path norm's or a kernel's.

    Args:
        scores: real numbers by parameter name; -inf stays.

    Example:
        >>> root({"w": torch.tensor([4.0, -9.0, -torch.inf])})["w"].tolist()
        [2.0, 3.0, -inf]
    """
    return {name: _pruned_again(score.abs().sqrt_(), score) for name, score in scores.items()}


def rank(scores: Mapping[str, Tensor]) -> Scores:
    """The places of scores among all that are given: 1 for the lowest, equal ones share the mean of their places.

    For scores whose sign matters, such as a criterion that wants the most negative weights gone. Cost: one sort.

    Args:
        scores: real numbers by parameter name; -inf stays and has no place.

    Returns:
        Float64.

    Example:
        >>> rank({"a": torch.tensor([-3.0, 5.0]), "b": torch.tensor([5.0, -torch.inf])})
        {'a': tensor([1.0000, 2.5000], dtype=torch.float64), 'b': tensor([2.5000,   -inf], dtype=torch.float64)}
    """
    if not scores:
        return {}
    whole = torch.cat([score.flatten().cpu() for score in scores.values()])
    alive = whole > -torch.inf
    _, places, sizes = whole[alive].unique(return_inverse=True, return_counts=True)
    last = sizes.cumsum(0).double()
    ranks = torch.full(whole.shape, -torch.inf, dtype=torch.float64)
    ranks[alive] = (last - (sizes - 1) / 2)[places]
    parts = ranks.split([score.numel() for score in scores.values()])
    return {
        name: part.view(score.shape).to(score.device) for (name, score), part in zip(scores.items(), parts, strict=True)
    }


def _is_positive(score: Tensor) -> bool:
    """Whether nothing is below 0; moduli of a large tensor cost more than this question."""
    return not score.numel() or bool(score.amin() >= 0)


def _pruned_again(value: Tensor, score: Tensor) -> Tensor:
    """The transformed values of scores, in place, with -inf where these have it."""
    if not score.numel() or score.min() > -torch.inf:  # a pass for the least is much cheaper than one that fills
        return value
    return value.masked_fill_(score == -torch.inf, -torch.inf)
