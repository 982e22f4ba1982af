"""Masks in which a group has a little more, or a little less, of the weights that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks

from ._groups import Grouping, Groups, by_layer

SIGNS = (1, -1)


@dataclass(frozen=True, eq=False)
class Moves:
    """Pairs of masks around those of a level, one pair for each group that could be moved.

    Attributes:
        groups: of parameters, as in the flow.
        moved: names of the groups that were moved.
        amounts: how many weights each of them gained in the first mask of its pair, and lost in the second.
        masks: the pairs. All keep as many weights as the level does.
        refusals: which groups could be moved by less than was asked for, or not at all.
    """

    groups: Groups
    moved: tuple[str, ...]
    amounts: tuple[int, ...]
    masks: tuple[tuple[Masks, Masks], ...]
    refusals: tuple[str, ...]


def last_magnitudes(levels: Iterable[tuple[Mapping[str, Tensor], Masks]]) -> dict[str, Tensor]:
    """The modulus of each weight when it was last trained, by which pruned weights can be put back in order.

    Args:
        levels: trained weights by name, and masks, from dense to sparse, as for `flow_of`.

    Raises:
        ValueError: if there is no level.

    Example:
        >>> levels = [({"w": torch.tensor([3.0, -1.0])}, {"w": torch.tensor([True, True])}),
        ...           ({"w": torch.tensor([4.0, 0.0])}, {"w": torch.tensor([True, False])})]
        >>> last_magnitudes(levels)["w"].tolist()
        [4.0, 1.0]
    """
    found: dict[str, Tensor] = {}
    for weights, masks in levels:
        for name, mask in masks.items():
            modulus = weights[name].detach().abs()
            found[name] = torch.where(mask, modulus, found.get(name, torch.zeros_like(modulus)))
    if not found:
        raise ValueError("there is no level with masks")
    return found


def moved_masks(
    masks: Masks, scores: Mapping[str, Tensor], *, grouping: Grouping = by_layer, fraction: float = 0.05
) -> Moves:
    """For each group, masks in which it has gained, and lost, a fraction of its kept weights; the total stays.

    A group gains its largest pruned weights, and the smallest kept ones elsewhere go; it loses its smallest kept
    weights, and the largest pruned ones elsewhere come back. Both masks of a pair move the same number. These are the
    weights that pruning was least sure of: a step that prunes more than was moved may undo the move, and the map of
    `intervention_operator` then has small eigenvalues.

    Args:
        masks: of a level with pruned weights.
        scores: sizes of all weights, kept or not, such as `last_magnitudes` gives them.
        grouping: from the names of masked parameters to groups.
        fraction: of the kept weights of a group, in (0, 1); 5 to 10 % are usual.

    Raises:
        ValueError: if the fraction is out of range, or scores do not fit.

    Example:
        >>> masks = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True, True, False])}
        >>> scores = {"a": torch.tensor([3.0, 2.0, 1.0]), "b": torch.tensor([6.0, 5.0, 4.0])}
        >>> moves = moved_masks(masks, scores, fraction=0.5)
        >>> {name: mask.tolist() for name, mask in moves.masks[0][0].items()}
        {'a': [True, True, True], 'b': [True, False, False]}
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is of a group's kept weights and lies in (0, 1), got {fraction}")
    if wrong := [name for name, mask in masks.items() if name not in scores or scores[name].shape != mask.shape]:
        raise ValueError(f"there are no scores of the shape of {wrong[0]!r}")
    groups = grouping(masks)
    order = [name for names in groups.values() for name in names]
    flat = torch.cat([scores[name].detach().flatten().double() for name in order])
    kept = torch.cat([masks[name].flatten() for name in order])
    sizes = [sum(masks[name].numel() for name in names) for names in groups.values()]
    owner = torch.repeat_interleave(torch.arange(len(sizes), device=kept.device), torch.tensor(sizes).to(kept.device))
    moved, amounts, pairs, refusals = [], [], [], []
    for number, name in enumerate(groups):
        inside = owner == number
        wanted = max(1, round(fraction * int((kept & inside).sum())))
        amount = min(wanted, _most(kept, inside))
        if amount < wanted:
            refusals.append(f"{name!r} could be moved by {amount} weights only, not by {wanted}")
        if amount <= 0:
            continue
        pair = [_exchanged(flat, kept, inside if sign > 0 else ~inside, amount) for sign in SIGNS]
        moved.append(name)
        amounts.append(amount)
        pairs.append((_split(pair[0], masks, order), _split(pair[1], masks, order)))
    return Moves(groups, tuple(moved), tuple(amounts), tuple(pairs), tuple(refusals))


def _most(kept: Tensor, inside: Tensor) -> int:
    """How many weights can go either way, if all groups are to keep at least one."""
    counts = [int((a & b).sum()) for a, b in ((~kept, inside), (~kept, ~inside), (kept, inside), (kept, ~inside))]
    return max(0, min(counts[0], counts[1], counts[2] - 1, counts[3] - 1))


def _exchanged(scores: Tensor, kept: Tensor, gains: Tensor, amount: int) -> Tensor:
    """Kept weights after the largest pruned ones on one side came back and the smallest kept on the other went."""
    back, gone = (~kept & gains).nonzero()[:, 0], (kept & ~gains).nonzero()[:, 0]
    found = kept.clone()
    found[back[scores[back].sort(descending=True, stable=True).indices[:amount]]] = True
    found[gone[scores[gone].sort(stable=True).indices[:amount]]] = False
    return found


def _split(flat: Tensor, masks: Masks, order: list[str]) -> Masks:
    """Masks by name from all of them in a row."""
    parts = flat.split([masks[name].numel() for name in order])
    found = {name: part.view_as(masks[name]).clone() for name, part in zip(order, parts, strict=True)}
    return {name: found[name] for name in masks}
