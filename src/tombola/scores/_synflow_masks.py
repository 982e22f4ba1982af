"""SynFlow in many rounds, fast: the copy is made once, and only what is left is scored."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks, count, kept_count
from tombola.select import largest

from ._linear_copy import LinearCopy
from ._masked import masked_copy

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
    total, left = sum(mask.numel() for mask in masks.values()), count(masks)
    with masked_copy(model, masks, torch.Generator()) as copy:
        flow = LinearCopy(copy, example[:1].to(copy.device), dtype=dtype)
        alive = {name: mask.clone() for name, mask in copy.masks.items()}
        for t in range(1, rounds + 1):
            kept = kept_count(total, density ** (t / rounds))
            if kept < left:
                alive, left = _pruned(flow, alive, kept), kept
            if t % EVERY == 0:
                alive = {name: flow.narrow(name, mask) for name, mask in alive.items()}
        return {name: flow.widen(name, mask).to(masks[name].device) for name, mask in alive.items()}


def _pruned(flow: LinearCopy, alive: Masks, kept: int) -> Masks:
    """What is left after a round; the weights of the others become 0 in the copy."""
    scores = {name: slope.mul_(flow.weights[name].detach()) for name, slope in flow.slopes().items()}
    chosen = largest(list(scores.values()), kept)
    if any(bool((new & ~old).any()) for new, old in zip(chosen, alive.values(), strict=True)):
        below = [score.masked_fill(~alive[name], -1) for name, score in scores.items()]
        chosen = largest(below, kept)  # kept weights score 0, as pruned ones do
    for weight, new in zip(flow.weights.values(), chosen, strict=True):
        weight.detach().mul_(new)
    return dict(zip(alive, chosen, strict=True))
