"""At most n of every m neighbours, which sparse tensor cores multiply at twice the speed for 2 of 4.

References:
    [Mishra2021] A. Mishra et al., "Accelerating sparse deep neural networks", 2021.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tombola.masks import Masks

from ._select import Select
from ._top import top


def n_of_m(n: int, m: int) -> Select:
    """A selection in which no `m` successive inputs of an output keep more than `n` weights [Mishra2021].

    Of each group the `n` largest scores stay in the race, and of all these the largest, as many as asked for: the count
    is exact. If it is n/m of the weights, every group keeps n. Groups lie along the second axis, the inputs or input
    channels, one for each output and place in the kernel.

    Args:
        n: how many may stay.
        m: of how many.

    Returns:
        A selection; it raises ValueError if more are to stay than groups allow, or inputs do not divide into groups.

    Raises:
        ValueError: unless 1 <= n <= m.

    Example:
        >>> scores = {"w": torch.tensor([[4.0, 3.0, 2.0, 1.0], [1.0, 8.0, 6.0, 7.0]])}
        >>> n_of_m(2, 4)(scores, 4, generator=torch.Generator())["w"].int().tolist()
        [[1, 1, 0, 0], [0, 1, 0, 1]]
        >>> n_of_m(2, 4)(scores, 3, generator=torch.Generator())["w"].int().tolist()
        [[1, 0, 0, 0], [0, 1, 0, 1]]
    """
    if not 1 <= n <= m:
        raise ValueError(f"n of m wants 1 <= n <= m, got {n} of {m}")

    def select(
        scores: Mapping[str, Tensor], kept: int | Mapping[str, int], *, generator: torch.Generator | None = None
    ) -> Masks:
        racing = {name: _best(name, score, n, m) for name, score in scores.items()}
        chosen = top(racing, kept)
        for name, mask in chosen.items():
            if (mask & (racing[name] == -torch.inf)).any():
                whole = sum(score.numel() for score in scores.values())
                raise ValueError(
                    f"{n} of {m} neighbours are at most {n / m:.4g} of the weights, and {kept} of {whole} are to stay; "
                    "ask for fewer"
                )
        return chosen

    return select


def _best(name: str, score: Tensor, n: int, m: int) -> Tensor:
    """Scores with -inf where `n` neighbours of the group score more; of equal ones the first stay."""
    if score.ndim < 2 or score.shape[1] % m:
        raise ValueError(f"{name!r} has the shape {tuple(score.shape)}, whose inputs do not divide by {m}; exclude it")
    if score.isnan().any():
        raise ValueError(f"the scores of {name!r} hold NaN")
    groups = score.movedim(1, -1).unflatten(-1, (-1, m))
    places = groups.sort(dim=-1, descending=True, stable=True).indices.argsort(dim=-1)
    return torch.where(places < n, groups, -torch.inf).flatten(-2).movedim(-1, 1).contiguous()
