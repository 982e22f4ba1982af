"""RigL: grow where the loss would fall fastest."""

from __future__ import annotations

import torch
from torch import Tensor

from tombola.dynamic._drop_and_grow import DropAndGrow


def rigl(
    *,
    steps: int,
    generator: torch.Generator,
    fraction: float = 0.3,
    every: int = 100,
    until: float = 0.75,
    regrow_dropped: bool = True,
    only_unused: bool = False,
) -> DropAndGrow:
    """Now and then each layer drops its smallest weights, and grows as many of largest gradient [Evci2020].

    What `DropAndGrow` says holds; begin with masks of an `erk` allocation. With `every` in the thousands it is the
    in-time over-parametrisation of [Liu2021]: weights mature before they are judged, and `.explored` of the handle says
    which part of the network has been tried. The published code breaks ties by noise on the moduli, and anneals the
    fraction only if told; the paper and this do it always.

    Args:
        steps: of the whole training.
        generator: breaks ties, which units that are dead on a batch make many of.
        fraction: of the kept weights that the first exchange drops, about; it falls along half a cosine.
        every: steps from one exchange to the next.
        until: the fraction of the steps after which masks stay.
        regrow_dropped: whether a weight that has just been dropped may be grown again, as in the paper.
        only_unused: whether only weights grow that were never kept before, as long as there are any.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> model = torch.nn.Linear(4, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[3.0, 0.1, 0.0, 0.0]]))
        >>> optimiser = torch.optim.SGD(model.parameters(), lr=1e-3)
        >>> method = rigl(steps=8, every=1, fraction=0.6, until=1.0, generator=torch.Generator().manual_seed(0))
        >>> dynamic = method(optimiser, model, {"weight": model.weight != 0})
        >>> for _ in range(2):  # the first step trains, the second exchanges
        ...     model(torch.tensor([1.0, 1.0, 2.0, 5.0])).square().backward()
        ...     optimiser.step()
        >>> dynamic.masks["weight"].tolist()
        [[True, False, False, True]]
    """
    return DropAndGrow(
        _gradient_modulus,
        steps=steps,
        generator=generator,
        fraction=fraction,
        every=every,
        until=until,
        regrow_dropped=regrow_dropped,
        only_unused=only_unused,
    )


def _gradient_modulus(weight: Tensor, gradient: Tensor) -> Tensor:
    return gradient.abs()
