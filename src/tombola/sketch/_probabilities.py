"""Probabilities from scores."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tombola.select import Scores
from tombola.sketch._pool import check_sampling, pooled
from tombola.sketch._transforms import Transform, absolute


def probabilities(
    scores: Mapping[str, Tensor],
    *,
    temperature: float = 1.0,
    mixture: float = 0.0,
    transform: Transform = absolute,
) -> Scores:
    """Sampling probabilities in proportion to powers of scores, over all parameters together.

    `p = (1 - mixture) a ** (1 / temperature) / Z + mixture / d` with `a` the transformed scores and `d` the number of
    weights that are not pruned. At 1 they are the coordinate sampling that [Bar2023] relates pruning at initialisation
    to; the temperature and the mixture are derived here. A mixture keeps `1 / p` below `d / mixture`, without which no
    bound on the error at the end of training is finite for Gaussian weights; see `mixture_bound`.

    Args:
        scores: by parameter name; -inf for weights that are pruned already, which get probability 0.
        temperature: towards 0 the largest score gets all, at infinity all positive ones get the same.
        mixture: the share that is spread evenly over what is not pruned, zero scores included.
        transform: applied to all scores together: `absolute`, `identity`, `root`, `rank`, or your own.

    Returns:
        Float64 in the shapes and on the devices of the scores; they add up to 1 up to rounding. If all scores are 0,
        they are uniform. Computed piece by piece.

    Raises:
        ValueError: for numbers out of range, scores that are NaN or infinite above, or if nothing is left to sample.

    Example:
        >>> scores = {"a": torch.tensor([3.0, -1.0]), "b": torch.tensor([0.0, -torch.inf])}
        >>> [round(chance, 6) for found in probabilities(scores).values() for chance in found.tolist()]
        [0.75, 0.25, 0.0, 0.0]
        >>> [round(chance, 6) for chance in probabilities(scores, mixture=0.3)["b"].tolist()]
        [0.1, 0.0]
    """
    check_sampling(temperature, mixture)
    pool = pooled(scores, transform)
    if not pool.eligible:
        raise ValueError("there is nothing to sample: all weights are pruned already")
    log_total, found = pool.log_total(temperature) if pool.positive else 0.0, {}
    for name, score in scores.items():
        flat = torch.empty(score.numel(), dtype=torch.float64)
        for place, piece in pool.pieces(name):
            flat[place] = pool.probabilities(piece, temperature=temperature, mixture=mixture, log_total=log_total)
        found[name] = flat.view(score.shape).to(score.device)
    return found
