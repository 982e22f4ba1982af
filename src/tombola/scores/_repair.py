"""Stranded weights for connected ones, as many as before."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tombola.masks import Masks, count
from tombola.select import top

from ._connectivity import connectable, reach, set_masks_
from ._linear_copy import LinearCopy

ROUNDS = 64  # of swaps; each halves at least what is stranded, or ends the search


def repair(model: nn.Module, masks: Masks, scores: Mapping[str, Tensor], example: Tensor) -> Masks:
    """Masks with as many weights, in which stranded ones have made way for the best-scoring that lie on paths.

    A heuristic: in each round the worse half of the stranded weights goes, and as many of the best-scoring weights come
    that each lie on a path of those that are left, which may connect others that were stranded. In a collapsed network
    a few, by a greedy search from the best-scoring down, first join input and output. Kept weights that are on a path
    stay, unless joining needs more weights than are stranded.

    No promise is made that nothing is stranded in the end: where a network has a path but no single weight adds
    another, the rest is left as it is. `effective_masks` of the result says what holds.

    Cost: two forwards and backwards of one example for each round; in a collapsed network some dozens of forwards for
    each weight that is missing on the first path.

    Args:
        model: any that `synflow` takes.
        masks: bool tensors by parameter name.
        scores: numbers by parameter name; pruned weights need theirs, too.
        example: a batch of inputs; only the shape of one counts.

    Raises:
        ValueError: for scores that do not fit the masks or are NaN, or where even all weights make no path, or the few
            that are kept cannot make one.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> masks = {"0.weight": torch.eye(2, dtype=torch.bool), "2.weight": torch.tensor([[True, False]])}
        >>> scores = {"0.weight": torch.tensor([[4.0, 2.0], [1.0, 3.0]]), "2.weight": torch.tensor([[5.0, 1.0]])}
        >>> repair(net, masks, scores, torch.zeros(1, 2))["0.weight"].tolist()
        [[True, True], [False, False]]
    """
    _check(masks, scores)
    found = {name: mask.clone() for name, mask in masks.items()}
    with reach(model, found, example) as flow:
        if not flow.reaches():
            found = _joined(flow, found, scores, count(masks))
        for _ in range(ROUNDS):
            stranded = _stranded(flow, found)
            if not count(stranded):
                break
            after = _swapped(flow, found, stranded, scores)
            if after is None:
                break
            found = after
    return found


def _stranded(flow: LinearCopy, masks: Masks) -> Masks:
    on_path = connectable(flow, masks)
    return {name: mask & ~on_path[name] for name, mask in masks.items()}


def _swapped(flow: LinearCopy, masks: Masks, stranded: Masks, scores: Mapping[str, Tensor]) -> Masks | None:
    """Masks without the worse half of the stranded weights, and with others for them; None if none connect."""
    half = -(-count(stranded) // 2)
    worse = _best({name: -score for name, score in scores.items()}, stranded, half)
    rest = {name: mask & ~worse[name] for name, mask in masks.items()}
    new = {name: found & ~rest[name] for name, found in connectable(flow, rest).items()}
    coming = _best(scores, new, min(half, count(new)))
    back = _best(scores, worse, half - count(coming))
    found = {name: mask | coming[name] | back[name] for name, mask in rest.items()}
    return found if count(coming) else None


def _check(masks: Masks, scores: Mapping[str, Tensor]) -> None:
    if {name: mask.shape for name, mask in masks.items()} != {name: score.shape for name, score in scores.items()}:
        raise ValueError("the scores are of other parameters or shapes than the masks")
    for name, score in scores.items():
        if not score.isfinite().all():
            raise ValueError(f"the scores of {name!r} are not all finite")


def _best(scores: Mapping[str, Tensor], among: Masks, number: int) -> Masks:
    """The best-scoring of some weights, `number` of them."""
    return top({name: score.masked_fill(~among[name], -math.inf) for name, score in scores.items()}, number)


def _joined(flow: LinearCopy, masks: Masks, scores: Mapping[str, Tensor], kept: int) -> Masks:
    """As many weights with a path: the kept ones and the few that join them, in place of the worst of them.

    The last weight that it takes, going down the scores, is needed; with it, fewer of those above are.
    """
    others = {name: ~mask for name, mask in masks.items()}
    joining = {name: torch.zeros_like(mask) for name, mask in masks.items()}

    def reaches(number: int) -> bool:
        best = _best(scores, others, number)
        set_masks_(flow, {name: mask | joining[name] | best[name] for name, mask in masks.items()})
        return flow.reaches()

    most = count(others)
    if not reaches(most):
        raise ValueError("there is no path from the input to the output even with all weights; is the example right?")
    while not reaches(0):
        most = bisect_left(range(most), x=True, key=reaches)
        last, before = _best(scores, others, most), _best(scores, others, most - 1)
        joining = {name: mask | (last[name] & ~before[name]) for name, mask in joining.items()}
    return _without_worst(flow, {name: mask | joining[name] for name, mask in masks.items()}, joining, scores, kept)


def _without_worst(flow: LinearCopy, masks: Masks, joining: Masks, scores: Mapping[str, Tensor], kept: int) -> Masks:
    """Masks of `kept` weights: without the worst of those that are on no path, then of those that join nothing."""
    stranded, too_many = _stranded(flow, masks), count(masks) - kept
    free = {name: mask & ~joining[name] for name, mask in masks.items()}
    if too_many <= count(free):
        spread = 1 + 2 * max(score.abs().max().item() for score in scores.values())
        worst = {name: stranded[name] * spread - score for name, score in scores.items()}
        leaving = _best(worst, free, too_many)
        found = {name: mask & ~leaving[name] for name, mask in masks.items()}
        set_masks_(flow, found)
        if flow.reaches():
            return found
    raise ValueError(f"{kept} weights make no path from the input to the output in this order of scores")
