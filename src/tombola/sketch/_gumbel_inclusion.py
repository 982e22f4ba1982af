"""How likely each weight is to stay when weights are drawn without replacement."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tombola.select import Scores

STEPS = 200


def gumbel_inclusion(probabilities: Mapping[str, Tensor], kept: int) -> Scores:
    """How likely `sketch` is to keep each weight: `1 - exp(-l p)`, with the `l` at which they add up to `kept`.

    Exact in the limit of many weights none of which dominates, derived here: draws come as a Poisson process, and a
    weight stays if it was met at all. Heuristic for few. With `kept` at least the number of weights with a chance these
    are sure to stay.

    Args:
        probabilities: of the first draw, by parameter name; brought to sum 1.
        kept: how many stay.

    Returns:
        Float64, in the shapes and on the devices of the probabilities.

    Raises:
        ValueError: if nothing has a chance, or the number is negative.

    Example:
        >>> gumbel_inclusion({"w": torch.tensor([0.25, 0.25, 0.25, 0.25])}, 3)["w"].tolist()
        [0.75, 0.75, 0.75, 0.75]
    """
    chances = {name: chance.double() for name, chance in probabilities.items()}
    total = math.fsum(float(chance.sum()) for chance in chances.values())
    if not 0 < total < math.inf or kept < 0:
        raise ValueError(f"probabilities and a number that is not negative are wanted, got a sum of {total} and {kept}")
    positive = sum(int((chance > 0).sum()) for chance in chances.values())
    if kept >= positive:
        return {name: (chance > 0).double() for name, chance in chances.items()}
    chances = {name: chance / total for name, chance in chances.items()}
    rate = _rate(chances, positive, kept)
    return {name: -torch.expm1(-rate * chance) for name, chance in chances.items()}


def _rate(chances: Scores, positive: int, kept: int) -> float:
    """The `l`, by Newton's method on the logarithm of how many are left, which is convex: it comes from below."""
    rate, wanted = 0.0, math.log(positive - kept)
    for _ in range(STEPS):
        left = [torch.exp(-rate * chance).where(chance > 0, 0.0) for chance in chances.values()]
        count = math.fsum(float(part.sum()) for part in left)
        if abs(count - (positive - kept)) <= 1e-12 * positive:
            break
        slope = math.fsum(float((part * chance).sum()) for part, chance in zip(left, chances.values(), strict=True))
        rate += (math.log(count) - wanted) * count / slope
    return rate
