"""Sampling each weight on its own: how likely each should be, and the draw."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tombola.select import Scores
from tombola.sketch._pool import CHUNK, pooled
from tombola.sketch._sketch import Sketch
from tombola.sketch._transforms import Transform, absolute


def water_filling(scores: Mapping[str, Tensor], kept: int, *, transform: Transform = absolute) -> Scores:
    """How likely each weight is to stay, `min(1, t score)` with the level `t` at which `kept` stay on average.

    Derived here: with scores `||x_i|| |w_i|` no other independent inclusion has a smaller error `poisson_error`, and it
    is at most that of as many draws with replacement. Exact up to rounding: the level is solved for, in as many passes
    as it takes until no further weight reaches 1.

    Args:
        scores: by parameter name; -inf for weights that are pruned already.
        kept: how many stay on average. If fewer scores are positive, those are sure to stay and zeros share the rest.
        transform: applied first, as in `probabilities`.

    Returns:
        Float64 in [0, 1], in the shapes and on the devices of the scores; 0 for pruned weights.

    Raises:
        ValueError: for scores that are NaN or infinite above, or more weights than are left.

    Example:
        >>> water_filling({"w": torch.tensor([6.0, 2.0, 1.0, 0.0])}, 2)["w"].tolist()
        [1.0, 0.6666666666666666, 0.3333333333333333, 0.0]
    """
    pool = pooled(scores, transform)
    if not 0 <= kept <= pool.eligible:
        raise ValueError(f"{kept} of {pool.eligible} weights that are not pruned cannot stay")
    level = _level(pool.values, kept) if kept < pool.positive else math.inf
    spare = (kept - pool.positive) / (pool.eligible - pool.positive) if kept > pool.positive else 0.0
    found = {}
    for name, score in scores.items():
        values = pool.values[name].double()
        chance = (values * level).clamp_(max=1) if level < math.inf else torch.ones_like(values)
        chance[values == 0], chance[values == -torch.inf] = spare, 0.0
        found[name] = chance.to(score.device)
    return found


def poisson(inclusion: Mapping[str, Tensor], *, generator: torch.Generator) -> Sketch:
    """Each weight stays or not, on its own; one that stays with probability `q` is scaled by `1 / q`.

    Exact in law, up to rounding in float64: unbiased, with the error of `poisson_error`. How many stay is random, with
    the sum of the probabilities as its mean. Noise is made on the CPU, piece by piece.

    Args:
        inclusion: probabilities by parameter name, such as from `water_filling`.
        generator: of the draw.

    Returns:
        Masks and scales on the devices of the probabilities.

    Raises:
        ValueError: unless all lie in [0, 1].

    Example:
        >>> found = poisson({"w": torch.tensor([1.0, 0.5, 0.0])}, generator=torch.Generator().manual_seed(0))
        >>> found.masks["w"].tolist(), found.scale["w"].tolist()
        ([True, False, False], [1.0, 0.0, 0.0])
    """
    masks, scale = {}, {}
    for name, chance in inclusion.items():
        if not bool(((chance >= 0) & (chance <= 1)).all()):
            raise ValueError(f"the probabilities of {name!r} do not all lie in [0, 1]")
        flat = chance.detach().cpu().flatten()
        stays = torch.empty(flat.numel(), dtype=torch.bool)
        for piece, out in zip(flat.split(CHUNK), stays.split(CHUNK), strict=True):
            noise = torch.rand(piece.numel(), dtype=torch.float64, generator=generator, device=generator.device)
            torch.lt(noise.cpu(), piece, out=out)
        masks[name] = stays.view(chance.shape).to(chance.device)
        scale[name] = torch.where(masks[name], 1 / chance.double(), 0.0)
    return Sketch(masks, scale)


def _level(values: Scores, kept: int) -> float:
    """The `t` at which `min(1, t value)` add up to `kept`, fewer than are positive."""
    full, level = 0, 0.0
    for _ in range(kept + 1):  # each pass but the last finds another weight that reaches 1
        rest = [value[(value > 0) & (value.double() * level < 1)].double().sum() for value in values.values()]
        level = (kept - full) / math.fsum(float(part) for part in rest)
        reached = sum(int((value.double() * level >= 1).sum()) for value in values.values())
        if reached in (full, kept):
            break
        full = reached
    return level
