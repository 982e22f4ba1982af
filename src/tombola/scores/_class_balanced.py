"""As many examples of every class."""

from __future__ import annotations

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from ._score import Batches


def balanced_batches(
    x: Shaped[Tensor, " n *shape"],
    y: Int[Tensor, " n"],
    *,
    per_class: int,
    batch_size: int,
    generator: torch.Generator,
) -> Batches:
    """Batches with equally many examples of every class, chosen at random, none twice.

    Classes take turns, so that of two classes neither has more than one example more than the other in any batch.

    Args:
        x: inputs, already scaled.
        y: labels on the same device; the classes are those that occur.
        per_class: how many examples each class gives.
        batch_size: how many examples a batch has; the last may have fewer.
        generator: of the choice.

    Raises:
        ValueError: if a class has fewer examples than wanted, a number is below 1 or the lengths differ.

    Example:
        >>> y = torch.tensor([0, 0, 0, 0, 1, 1, 1, 7, 7])
        >>> batches = balanced_batches(y, y, per_class=2, batch_size=3, generator=torch.Generator().manual_seed(0))
        >>> [sorted(labels.tolist()) for _, labels in batches]
        [[0, 1, 7], [0, 1, 7]]
    """
    if min(per_class, batch_size) < 1:
        raise ValueError(f"per_class and batch_size must be at least 1, got {per_class} and {batch_size}")
    if len(x) != len(y):
        raise ValueError(f"{len(x)} inputs but {len(y)} labels")
    columns = [_chosen(y, label, per_class, generator) for label in y.unique().tolist()]
    if not columns:
        raise ValueError("there are no examples to choose from")
    order = torch.stack(columns, dim=1).flatten().to(y.device)
    return [(x[chosen], y[chosen]) for chosen in order.split(batch_size)]


def _chosen(y: Tensor, label: int, per_class: int, generator: torch.Generator) -> Tensor:
    """`(per_class,)` random places of one label, on the CPU."""
    places = (y == label).nonzero().flatten().cpu()
    if len(places) < per_class:
        raise ValueError(f"class {label} has {len(places)} examples, of which {per_class} were wanted")
    return places[torch.randperm(len(places), generator=generator, device=generator.device)[:per_class].cpu()]
