"""A data set in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Shaped
from torch import Tensor


def batches(
    x: Shaped[Tensor, " n *shape"],
    y: Shaped[Tensor, " n *label"],
    *,
    batch_size: int,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs `(x, y)` of up to `batch_size` examples, every example once; the last batch may be smaller.

    Args:
        x: `(n, *shape)` inputs.
        y: `(n, *label)` labels, on the same device.
        batch_size: how many examples a batch has.
        generator: of a random order (drawn on the CPU); without one the order is that of `x`.

    Raises:
        ValueError: if `batch_size` is below 1 or the lengths differ.

    Example:
        >>> x = torch.arange(5)
        >>> [part.tolist() for part, _ in batches(x, x, batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if len(x) != len(y):
        raise ValueError(f"{len(x)} inputs but {len(y)} labels")
    return _pieces(x, y, batch_size, generator)


def _pieces(
    x: Tensor, y: Tensor, batch_size: int, generator: torch.Generator | None
) -> Iterator[tuple[Tensor, Tensor]]:
    if generator is None:
        yield from zip(x.split(batch_size), y.split(batch_size), strict=True)
        return
    order = torch.randperm(len(x), generator=generator).to(x.device)
    for chosen in order.split(batch_size):
        yield x[chosen], y[chosen]
