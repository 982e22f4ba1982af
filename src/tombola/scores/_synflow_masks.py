"""SynFlow in many rounds, fast: the copy is made once, and only what is left is scored."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tombola.masks import Masks, count, kept_count
from tombola.select import largest

from ._linear_copy import LinearCopy, one_input
from ._linear_rules import average_rules, norm_rules
from ._masked import masked_copy
from ._score import Batches
from ._synflow import synflow

SAMPLE, CHUNK = 2**16, 2**18  # so that a piece stays in the cache
ROUNDS, EVERY = 100, 4  # after every so many rounds, rows and columns without weights are left out


def synflow_masks(
    model: nn.Module,
    example: Tensor,
    *,
    masks: Masks,
    density: float,
    rounds: int = ROUNDS,
    dtype: torch.dtype = torch.float64,
) -> Masks:
    """The masks of SynFlow in rounds, `density ** (t / rounds)` of all weights after round t [Tanaka2020].

    The same as a loop of `synflow` and `select.top`, but for scores so near to each other that rounding decides, as
    those of the only weight into a unit and the only one out of it. It is faster: the copy is made once, scores are
    neither joined nor sorted, and units that have lost their weights are left out of the layers beside them.

    Cost: at most a forward and a backward of one example for each round, and O(n).

    Args:
        model: at the weights to be scored; nothing of it changes.
        example: a batch of inputs; only the shape of one counts.
        masks: of the parameters to be pruned; what is False in them stays pruned.
        density: the kept fraction of all masked weights in the end.
        rounds: how many.
        dtype: of the computation. float32 takes about half the time. Which of two nearly equal weights goes is then
            another choice, on which later rounds build: layers keep nearly the same numbers, not the same weights.

    Returns:
        Masks that keep `kept_count(all, density)` weights exactly, or those given where these keep fewer.

    Raises:
        ValueError: as `synflow`, for a density outside (0, 1], and for fewer rounds than one.

    Example:
        >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        >>> masks = {f"{i}.weight": torch.ones_like(net[i].weight, dtype=torch.bool) for i in (0, 2)}
        >>> found = synflow_masks(net, torch.zeros(1, 8), masks=masks, density=0.25)
        >>> sum(int(mask.sum()) for mask in found.values())
        48
    """
    if rounds < 1:
        raise ValueError(f"rounds must be at least 1, got {rounds}")
    total = sum(mask.numel() for mask in masks.values())
    kept = [kept_count(total, density ** (t / rounds)) for t in range(1, rounds + 1)]
    return _in_rounds(model, [(example, example)], masks=masks, kept=kept, generator=torch.Generator(), dtype=dtype)


def _in_rounds(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    kept: Sequence[int],
    generator: torch.Generator,
    scale_norms: bool = False,
    average_pools: bool = False,
    dtype: torch.dtype = torch.float64,
) -> Masks:
    """The masks after rounds that keep so many weights each, with the options of `synflow`."""
    left = count(masks)
    with masked_copy(model, masks, generator) as copy:
        rules = norm_rules(scale_norms=scale_norms) | (average_rules() if average_pools else {})
        flow = LinearCopy(copy, one_input(batches, copy.device, "synflow"), rules=rules, dtype=dtype)
        alive = dict(copy.masks)
        for t, number in enumerate(kept, start=1):
            if number < left:
                alive, left = _pruned(flow, alive, number), number
            if t % EVERY == 0:
                alive = {name: flow.narrow(name, mask.bool()) for name, mask in alive.items()}
        return {name: flow.widen(name, mask.bool()).to(masks[name].device, copy=True) for name, mask in alive.items()}


# By these `prune` finds the one for the other, and for no function that has taken over its attributes.
synflow.in_rounds, _in_rounds.score = _in_rounds, synflow  # pyright: ignore[reportFunctionMemberAccess]


def _pruned(flow: LinearCopy, alive: Masks, kept: int) -> Masks:
    """What is left after a round, as anything but 0; the weights of the others become 0 in the copy."""
    scores = {name: slope.contiguous().mul_(flow.weights[name].detach()) for name, slope in flow.slopes().items()}
    found = _threshold(list(scores.values()), kept)
    if found is None:
        marks = dict(zip(scores, _by_sorting(scores, alive, kept), strict=True))
    else:
        _mark_(list(scores.values()), *found)
        marks = scores
    for name, mark in marks.items():
        flow.weights[name].detach().mul_(mark)
    return marks


def _threshold(scores: Sequence[Tensor], kept: int) -> tuple[Tensor, int] | None:
    """The smallest score that stays, if it is above 0, and how many as large as it have to go.

    A sample says between which two numbers it lies; None should the sample mislead. Its stride has no factor 2 or 3, as
    kernels and layers have, which would show in it.
    """
    flat = [score.flatten() for score in scores]
    n = sum(score.numel() for score in flat)
    sample = torch.cat([score[:: n // SAMPLE // 6 * 6 + 1] for score in flat]).sort(descending=True).values
    share, m = kept / n, len(sample)
    slack = 5 * math.sqrt(m * share * (1 - share)) + 5
    high, low = sample[max(0, int(share * m - slack))], sample[min(m - 1, math.ceil(share * m + slack))]
    above, near = 0, []
    for piece in (piece for score in flat for piece in score.split(CHUNK)):
        over = piece > high
        above += int(over.count_nonzero())
        near.append(piece[over ^ (piece >= low)])
    between = torch.cat(near)
    if low <= 0 or not 0 < kept - above <= len(between):
        return None
    least = between.kthvalue(len(between) - (kept - above) + 1).values
    return least, above + int((between >= least).sum()) - kept


def _mark_(scores: Sequence[Tensor], least: Tensor, surplus: int) -> None:
    """Makes 1 of all scores that stay and 0 of the others; of the equal ones at the threshold, the last go."""
    for score in reversed(scores):
        if surplus:
            equal = (score == least).flatten().nonzero().flatten()[-surplus:]
            score.view(-1)[equal] = 0
            surplus -= len(equal)
        score.ge_(least)


def _by_sorting(scores: Masks, alive: Masks, kept: int) -> list[Tensor]:
    """The same for any scores."""
    chosen = largest(list(scores.values()), kept)
    if not any(bool((new & ~old.bool()).any()) for new, old in zip(chosen, alive.values(), strict=True)):
        return chosen
    return largest([score.masked_fill(~alive[name].bool(), -1) for name, score in scores.items()], kept)
