"""Masks drawn from scores instead of cut at a threshold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from tombola.masks import Masks
from tombola.select import Select, top
from tombola.sketch._exponential_race import drawn
from tombola.sketch._pool import Chances, Pool, check_sampling, pooled
from tombola.sketch._transforms import Transform, absolute


def sketch(*, temperature: float = 1.0, mixture: float = 0.0, transform: Transform = absolute) -> Select:
    """A way to choose weights: drawn one after the other without replacement, in proportion to powers of their scores.

    To draw from probabilities made of scores, rather than to keep the largest scores, is the change to pruning at
    initialisation that [Bar2023] proposes. How it is drawn, and all options, are ours: each weight gets the key
    `log(p) + G` with standard Gumbel noise `G`, and the largest keys stay, which is the same as drawing without
    replacement [Efraimidis2006].

    Exact: the number of weights that stay; the law of the draw, up to rounding in float64. Weights of score 0 stay only
    if all positive ones do, and then fill up uniformly; a mixture gives them a chance. Pruned weights, at -inf, never
    stay. Noise and keys are made on the CPU, piece by piece, so that masks do not depend on the device. For any number
    of weights, in O(n) time; 3 bytes for each weight, and 16 for each whose fate is open until the end.

    Args:
        temperature: `p` is in proportion to `score ** (1 / temperature)`: 0 keeps the largest and is `select.top`,
            infinity draws uniformly from positive scores.
        mixture: the share of `p` that is spread evenly over what is not pruned; wants a positive temperature.
        transform: applied first, to what is chosen from together: `absolute`, `identity`, `root`, `rank`, or your own.

    Returns:
        A function of scores by parameter name, how many stay in all or for each parameter, and a generator; on the
        devices of the scores.

    Raises:
        ValueError: for numbers out of range; later for scores that are NaN or infinite above or whose transform is
            negative, names that do not fit, or more weights than are left.

    Example:
        >>> scores = {"a": torch.tensor([8.0, 1.0, 0.0, -torch.inf]), "b": torch.tensor([1.0, 6.0])}
        >>> masks = sketch()(scores, 3, generator=torch.Generator().manual_seed(1))
        >>> {name: mask.tolist() for name, mask in masks.items()}
        {'a': [True, True, False, False], 'b': [False, True]}
        >>> masks = sketch(temperature=0.0)(scores, {"a": 1, "b": 1}, generator=torch.Generator())
        >>> {name: mask.tolist() for name, mask in masks.items()}
        {'a': [True, False, False, False], 'b': [False, True]}
    """
    if temperature != 0:
        check_sampling(temperature, mixture)
    elif mixture != 0:
        raise ValueError("temperature 0 keeps the largest scores and leaves nothing for a mixture")

    def draw(scores: Mapping[str, Tensor], kept: int, generator: torch.Generator) -> Masks:
        pool = pooled(scores, transform)
        if not 0 <= kept <= pool.eligible:
            raise ValueError(f"{kept} of {pool.eligible} weights that are not pruned cannot stay")
        if temperature == 0:
            chosen = top(pool.values, kept)
        else:
            chosen = _drawn(pool, kept, temperature=temperature, mixture=mixture, generator=generator)
        return {name: chosen[name].to(score.device, copy=True) for name, score in scores.items()}

    return partial(_select, draw)


def _select(
    draw: Callable[[Mapping[str, Tensor], int, torch.Generator], Masks],
    scores: Mapping[str, Tensor],
    kept: int | Mapping[str, int],
    *,
    generator: torch.Generator,
) -> Masks:
    """All parameters together, or one after the other."""
    if isinstance(kept, int):
        return draw(scores, kept, generator)
    if set(kept) != set(scores):
        raise ValueError(f"there are scores of {sorted(scores)}, and numbers for {sorted(kept)}")
    return {name: draw({name: score}, kept[name], generator)[name] for name, score in scores.items()}


def _drawn(pool: Pool, kept: int, *, temperature: float, mixture: float, generator: torch.Generator) -> Masks:
    """The weights with the largest keys, as views of one tensor."""
    chances = Chances(pool, kept, temperature, mixture)
    parts = drawn(chances, kept, generator).split([value.numel() for value in pool.values.values()])
    return {name: part.view(value.shape) for (name, value), part in zip(pool.values.items(), parts, strict=True)}
