"""The programme of node-path balance for one layer, in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Balance:
    """What `npb_masks` weighs in a layer; the defaults are the published ones.

    Attributes:
        alpha: of units against paths, from 0 to 1.
        beta: of spread over kernels, 0 or more.
        chunk: how many outputs (of each group) a programme has at most; None for all. Every chunk reads as many inputs
            as it can, so that small ones spread weights over kernels and places.

    Example:
        >>> Balance(alpha=0.5).chunk
        32
    """

    alpha: float = 0.99
    beta: float = 0.001
    chunk: int | None = 32

    def __post_init__(self) -> None:
        if not (0 <= self.alpha <= 1 and 0 <= self.beta < math.inf):
            raise ValueError(f"alpha lies in [0, 1] and beta is 0 or more, got {self.alpha} and {self.beta}")
        if self.chunk is not None and self.chunk < 1:
            raise ValueError(f"a chunk has at least 1 output, got {self.chunk}")


def balanced_layer(
    mass: Float[Tensor, "groups inputs taps"],
    live: Bool[Tensor, "groups inputs taps"],
    outputs: int,
    budget: int,
    balance: Balance,
    generator: torch.Generator,
) -> Bool[Tensor, "outputs inputs taps"]:
    """The mask of a layer with exactly `budget` weights, shared out to chunks by their sizes.

    Args:
        mass: that a weight at each place of the kernels of an input passes on.
        live: whether any path runs through a weight there; others are kept only when those are all.
        outputs: of all groups together.
        budget: how many weights are kept, at most as many as there are.
        balance: what is weighed.
        generator: on the CPU, of ties and places.

    Raises:
        ValueError: if the mass is not finite, or the budget is larger than the layer.
    """
    groups, inputs, taps = live.shape
    if not mass.isfinite().all():
        raise ValueError("the number of paths is not finite; the network grows too much between two cuts")
    if not 0 <= budget <= outputs * inputs * taps:
        raise ValueError(f"{budget} of {outputs * inputs * taps} weights cannot stay")
    mean = (mass * live).sum(2) / live.sum(2).clamp(min=1)
    each, chunks = outputs // groups, []
    for start in range(0, each, balance.chunk or each):
        stop = min(each, start + (balance.chunk or each))
        kept = budget * stop // each - budget * start // each
        counts = kept_per_input(mean, live.sum(2), stop - start, kept, balance, generator)
        parts = [_placed(*group, stop - start, generator) for group in zip(counts, live, strict=True)]
        chunks.append(_filled_up(torch.stack(parts), kept, generator))
    return torch.cat(chunks, 1).flatten(0, 1)


def kept_per_input(
    mass: Float[Tensor, "groups inputs"],
    taps: Int[Tensor, "groups inputs"],
    outputs: int,
    budget: int,
    balance: Balance,
    generator: torch.Generator,
) -> Int[Tensor, "groups inputs"]:
    """How many weights the kernels of each input keep together, in one chunk.

    `m` weights of an input are best spread over `min(m, outputs)` outputs. So its first weight gains a unit and a
    kernel, the next ones a kernel up to the number of outputs, the others nothing but paths: gains fall. In a group
    the outputs with a weight are `min(outputs, weights of the group)`, however the weights are spread over its inputs.

    Args:
        mass: that a weight passes on.
        taps: places in a kernel of each input; 0 for none.
        outputs: of one group, in the chunk.
        budget: how many weights are kept in all, or all that there is room for.
        balance: what is weighed.
        generator: of ties.
    """
    groups, inputs = mass.shape
    budget = min(budget, int(taps.sum()) * outputs)
    if budget == 0:
        return torch.zeros_like(taps)
    unit, kernel = balance.alpha / (groups * (inputs + outputs)), balance.beta / budget
    most = (_handed_out(mass.flatten(), (taps * outputs).flatten(), budget, generator) * mass.flatten()).sum()
    path = (1 - balance.alpha) * mass / most
    some = (taps > 0).long()
    gains = torch.stack([path + kernel + unit, path + kernel, path], 2).flatten(1)
    room = torch.stack([some, some * (outputs - 1), (taps - some) * outputs], 2).flatten(1)
    budgets = _group_budgets(gains, room, outputs, unit, budget, generator)
    found = [_handed_out(*group, generator) for group in zip(gains, room, budgets.tolist(), strict=True)]
    return torch.stack(found).view(groups, inputs, 3).sum(2)


def _group_budgets(
    gains: Tensor, room: Tensor, outputs: int, unit: float, budget: int, generator: torch.Generator
) -> Int[Tensor, " groups"]:
    """How many weights each group keeps: as many of them as it has outputs gain a unit more."""
    if len(gains) == 1:
        return torch.tensor([budget])
    order = gains.argsort(1, descending=True)
    gains, room = gains.gather(1, order), room.gather(1, order)
    first = (outputs - (room.cumsum(1) - room)).clamp(min=0).minimum(room)
    gains, room = torch.cat([gains + unit, gains], 1), torch.cat([first, room - first], 1)
    return _handed_out(gains.flatten(), room.flatten(), budget, generator).view(len(gains), -1).sum(1)


def _handed_out(gains: Tensor, room: Tensor, budget: int, generator: torch.Generator) -> Int[Tensor, " n"]:
    """How much of a budget goes where, the largest gains first; where they are equal, by chance."""
    order = gains.argsort(descending=True)
    last = gains[order][torch.searchsorted(room[order].cumsum(0), budget)]
    taken = torch.where(gains > last, room, 0)
    tied = torch.repeat_interleave(torch.where(gains == last, room, 0))
    drawn = tied[torch.randperm(len(tied), generator=generator)[: budget - int(taken.sum())]]
    return taken + torch.bincount(drawn, minlength=len(room))


def _placed(
    counts: Int[Tensor, " inputs"], live: Bool[Tensor, "inputs taps"], outputs: int, generator: torch.Generator
) -> Bool[Tensor, "outputs inputs taps"]:
    """A mask with so many weights for each input: in as many kernels as can be, of outputs with few weights first.

    No input takes an output that has a weight while another has none, so that as many as can be have one.
    """
    mask, load = torch.zeros(outputs, *live.shape, dtype=torch.bool), torch.zeros(outputs)
    for k in counts.nonzero().flatten().tolist():
        places, kept = live[k].nonzero().flatten(), int(counts[k])
        rows = (load + torch.rand(outputs, generator=generator)).argsort()[:kept]
        mask[rows, k, places[torch.randint(len(places), (len(rows),), generator=generator)]] = True
        load[rows] += 1
        if kept > outputs:
            noise = torch.rand(outputs, live.shape[1], generator=generator).masked_fill(mask[:, k] | ~live[k], -1)
            more = noise.flatten().topk(kept - outputs).indices
            mask[more // live.shape[1], k, more % live.shape[1]] = True
    return mask


def _filled_up(mask: Tensor, budget: int, generator: torch.Generator) -> Tensor:
    """The mask with random further weights, up to the budget: all live places are kept if there are any."""
    flat = mask.flatten()
    free = (~flat).nonzero().flatten()
    missing = budget - int(flat.sum())
    flat[free[torch.randperm(len(free), generator=generator)[:missing]]] = True
    return flat.view_as(mask)
