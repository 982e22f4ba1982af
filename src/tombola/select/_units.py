"""What blocks and channels share: parts of parameters that stay or go as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tombola.masks import Masks

from ._select import Select

Units = Callable[[str, Tensor], Tensor]
"""From a parameter's name and scores to the number of the unit that each weight belongs to, from 0."""


def whole_units(units: Units, what: str) -> Select:
    """A selection of whole units: the best by mean score, as long as all of them fit into the number that is asked for.

    Args:
        units: cuts a parameter up.
        what: a unit is called in messages.
    """

    def select(
        scores: Mapping[str, Tensor], kept: int | Mapping[str, int], *, generator: torch.Generator | None = None
    ) -> Masks:
        for name, score in scores.items():
            if score.isnan().any():
                raise ValueError(f"the scores of {name!r} hold NaN")
        if isinstance(kept, int):
            return _chosen(scores, kept, units, what)
        if set(kept) != set(scores):
            raise ValueError(f"there are scores of {sorted(scores)}, and numbers for {sorted(kept)}")
        return {name: _chosen({name: score}, kept[name], units, what)[name] for name, score in scores.items()}

    return select


def _chosen(scores: Mapping[str, Tensor], kept: int, units: Units, what: str) -> Masks:
    """The best units of some parameters together."""
    total = sum(score.numel() for score in scores.values())
    if not 0 <= kept <= total:
        raise ValueError(f"{kept} of {total} weights cannot stay")
    numbers = {name: units(name, score).flatten().cpu() for name, score in scores.items()}
    parts = [_means(score.flatten().cpu(), numbers[name]) for name, score in scores.items()]
    means, sizes = (torch.cat(column) for column in zip(*parts, strict=True))
    order = means.argsort(descending=True, stable=True)
    order = order[means[order] > -torch.inf]
    fitting = order[: int((sizes[order].cumsum(0) <= kept).sum())]
    if kept and not len(fitting):
        raise ValueError(f"{kept} weights are to stay, fewer than the best {what} has; ask for more")
    stays = torch.zeros(len(means), dtype=torch.bool)
    stays[fitting] = True
    split = dict(zip(scores, stays.split([len(part) for part, _ in parts]), strict=True))
    return {name: split[name][numbers[name]].view(score.shape).to(score.device) for name, score in scores.items()}


def _means(score: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The mean score of each unit, -inf where one of its weights is pruned, and how many weights it has."""
    sizes = numbers.bincount()
    sums = torch.zeros(len(sizes), dtype=torch.float64).index_add_(0, numbers, score.double())
    return sums / sizes, sizes
