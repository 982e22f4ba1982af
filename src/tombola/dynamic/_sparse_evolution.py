"""SET: grow anywhere."""

from __future__ import annotations

import torch
from torch import Tensor

from tombola.dynamic._drop_and_grow import DropAndGrow


def sparse_evolution(
    *,
    steps: int,
    generator: torch.Generator,
    fraction: float = 0.3,
    every: int = 100,
    until: float = 0.75,
    regrow_dropped: bool = True,
    only_unused: bool = False,
) -> DropAndGrow:
    """Now and then each layer drops its smallest weights, and grows as many at random [Mocanu2018].

    What `DropAndGrow` says holds; begin with masks of an `er` or `erk` allocation. Growth is uniformly random among all
    choices of that many weights. Unlike the original, which drops the smallest positive and the largest negative
    weights once an epoch and lets new ones begin at random values, all are compared by modulus, new ones begin at zero,
    and the fraction falls. With `every` in the thousands it is the in-time over-parametrisation of [Liu2021].

    Args:
        steps: of the whole training.
        generator: of the choice.
        fraction: of the kept weights that the first exchange drops, about; it falls along half a cosine.
        every: steps from one exchange to the next.
        until: the fraction of the steps after which masks stay.
        regrow_dropped: whether a weight that has just been dropped is one of those that may grow.
        only_unused: whether only weights grow that were never kept before, as long as there are any.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> model = torch.nn.Linear(10, 10, bias=False)
        >>> _ = torch.nn.init.normal_(model.weight, generator=torch.Generator().manual_seed(1))
        >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> method = sparse_evolution(steps=100, every=5, generator=torch.Generator().manual_seed(0))
        >>> dynamic = method(optimiser, model, {"weight": torch.eye(10, dtype=torch.bool)})
        >>> for _ in range(60):
        ...     model(torch.ones(10)).square().sum().backward()
        ...     optimiser.step()
        >>> dynamic.updates, int(dynamic.masks["weight"].sum()), dynamic.explored
        (9, 10, 0.22)
    """
    return DropAndGrow(
        _all_alike,
        steps=steps,
        generator=generator,
        fraction=fraction,
        every=every,
        until=until,
        regrow_dropped=regrow_dropped,
        only_unused=only_unused,
    )


def _all_alike(weight: Tensor, gradient: Tensor) -> Tensor:
    return torch.zeros_like(weight)
