"""Noise in place of data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ._score import Batches


def noise(
    shape: Sequence[int],
    classes: int,
    *,
    count: int,
    generator: torch.Generator,
    batch_size: int = 256,
    device: torch.device | str = "cpu",
) -> Batches:
    """Standard normal inputs with balanced random labels: with them every criterion is independent of the data.

    Args:
        shape: of one input.
        classes: how many labels there are; each is drawn equally often, up to one.
        count: of the examples.
        generator: of inputs and labels, drawn on its device.
        batch_size: how many examples a batch has; the last may have fewer.
        device: of the batches.

    Returns:
        Pairs of `(n, *shape)` inputs in the default dtype and `(n,)` int64 labels.

    Raises:
        ValueError: if classes, count or batch_size is below 1.

    Example:
        >>> batches = noise((3, 8, 8), 10, count=100, batch_size=64, generator=torch.Generator().manual_seed(0))
        >>> [tuple(x.shape) for x, _ in batches]
        [(64, 3, 8, 8), (36, 3, 8, 8)]
        >>> torch.cat([y for _, y in batches]).bincount().tolist()
        [10, 10, 10, 10, 10, 10, 10, 10, 10, 10]
    """
    if min(classes, count, batch_size) < 1:
        got = f"{classes}, {count} and {batch_size}"
        raise ValueError(f"classes, count and batch_size must be at least 1, got {got}")
    x = torch.randn(count, *shape, generator=generator, device=generator.device)
    y = _labels(classes, count, generator)
    return list(zip(x.to(device).split(batch_size), y.to(device).split(batch_size), strict=True))


def _labels(classes: int, count: int, generator: torch.Generator) -> Tensor:
    """`(count,)` labels: all classes in random order, again and again, so that batches are nearly balanced too."""
    rounds = -(-count // classes)
    shuffled = [torch.randperm(classes, generator=generator, device=generator.device) for _ in range(rounds)]
    return torch.cat(shuffled)[:count]
