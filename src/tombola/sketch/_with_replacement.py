"""Sampling with replacement: the sketch of a matrix product, and how many different weights it keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tombola.sketch._sketch import Sketch

MOST_DRAWS = 2**53


def with_replacement(probabilities: Mapping[str, Tensor], draws: int, *, generator: torch.Generator) -> Sketch:
    """Independent draws with replacement; a weight that is drawn `c` times is scaled by `c / (draws p)`.

    Masked and rescaled weights are then exactly the sketch of the product `X w` of [Drineas2006]: unbiased, with the
    error of `expected_error`. At most `draws` weights stay; `expected_distinct` says how many on average.

    Exact in law, up to rounding in float64. O(n + draws log n) time and 16 bytes for each weight of one parameter at a
    time beside the result; drawn on the CPU.

    Args:
        probabilities: not negative, by parameter name; brought to sum 1.
        draws: how many.
        generator: of the draws.

    Returns:
        Masks and scales on the devices of the probabilities.

    Raises:
        ValueError: if there is no draw, or the probabilities are none.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> found = with_replacement({"w": torch.tensor([0.5, 0.5, 0.0])}, 4, generator=generator)
        >>> found.masks["w"].tolist(), float(found.scale["w"].sum())
        ([True, True, False], 2.0)
    """
    totals = _totals(probabilities)
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    total = math.fsum(totals.values())
    places = torch.rand(draws, dtype=torch.float64, generator=generator, device=generator.device).cpu().sort().values
    places *= total
    ends = torch.tensor(list(totals.values()), dtype=torch.float64).cumsum(0)
    cuts = [0, *torch.searchsorted(places, ends[:-1]).tolist(), draws]
    masks, scale, start = {}, {}, 0.0
    for k, (name, chance) in enumerate(probabilities.items()):
        times = _times(chance, places[cuts[k] : cuts[k + 1]] - start)
        share = chance.detach().cpu().double().flatten() / total
        scaled = torch.where(times > 0, times / (draws * share), 0.0)
        masks[name] = (times > 0).view(chance.shape).to(chance.device)
        scale[name] = scaled.view(chance.shape).to(chance.device)
        start = float(ends[k])
    return Sketch(masks, scale)


def expected_distinct(probabilities: Mapping[str, Tensor], draws: int) -> float:
    """How many different weights independent draws with replacement meet on average: `sum 1 - (1 - p) ** draws`.

    Exact.

    Args:
        probabilities: not negative, by parameter name; brought to sum 1.
        draws: how many.

    Raises:
        ValueError: if the number of draws is negative, or the probabilities are none.

    Example:
        >>> expected_distinct({"w": torch.tensor([0.5, 0.5])}, 2)
        1.5
    """
    if draws < 0:
        raise ValueError(f"draws cannot be negative, got {draws}")
    if draws == 0:
        return 0.0
    total = math.fsum(_totals(probabilities).values())
    met = [-torch.expm1(draws * torch.log1p(-(p.double() / total).clamp(max=1))).sum() for p in probabilities.values()]
    return math.fsum(float(part) for part in met)


def draws_for(probabilities: Mapping[str, Tensor], distinct: float) -> int:
    """The least number of draws with replacement that meet so many different weights on average.

    By bisection. A particular sample meets more or fewer.

    Args:
        probabilities: not negative, by parameter name; brought to sum 1.
        distinct: how many, below the number of weights with a chance.

    Raises:
        ValueError: if it would take more than 2^53 draws, as it does for nearly all weights.

    Example:
        >>> draws_for({"w": torch.full((100,), 0.01)}, 50.0)
        69
    """
    low, high = 0, max(1, math.ceil(distinct))
    while expected_distinct(probabilities, high) < distinct:
        low, high = high, 2 * high
        if high > MOST_DRAWS:
            chance = sum(int((p > 0).sum()) for p in probabilities.values())
            raise ValueError(f"{distinct} different weights of {chance} with a chance would take more than 2^53 draws")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if expected_distinct(probabilities, middle) >= distinct else (middle, high)
    return high


def _totals(probabilities: Mapping[str, Tensor]) -> dict[str, float]:
    """The sums of probabilities, parameter by parameter, if they are any."""
    totals = {}
    for name, chance in probabilities.items():
        if not bool((chance >= 0).all()) or not bool((chance < torch.inf).all()):
            raise ValueError(f"the probabilities of {name!r} are negative or not finite")
        totals[name] = float(chance.double().sum())
    if not math.fsum(totals.values()) > 0:
        raise ValueError("there is nothing to sample: all probabilities are 0")
    return totals


def _times(chance: Tensor, places: Tensor) -> Tensor:
    """`(n,)`, how often each weight of a parameter is met, given sorted places on the line of its probabilities."""
    flat = chance.detach().cpu().double().flatten()
    if not places.numel():
        return torch.zeros(flat.numel(), dtype=torch.int64)
    line = flat.cumsum(0)
    # Rounding must not push a place off the line, nor onto a weight without a chance.
    inside = places.clamp(min=0.0, max=float(torch.nextafter(line[-1], torch.zeros_like(line[-1]))))
    return torch.bincount(torch.searchsorted(line, inside, right=True), minlength=flat.numel())
