"""Masks at random with exact counts."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from tombola.allocate._allocation import Shapes
from tombola.masks import Masks


def random_masks(shapes: Shapes, counts: int | Mapping[str, int], *, generator: torch.Generator) -> Masks:
    """Masks that are uniformly random among all that keep so many weights.

    Exact: never one more or less, as when every weight is drawn on its own. Cost: one permutation of the weights.

    Args:
        shapes: of the parameters by name.
        counts: how many each keeps, or how many are kept in all, wherever they are. In all means that at low densities
            small layers may lose all weights.
        generator: of the choice.

    Returns:
        Bool tensors on the generator's device.

    Raises:
        ValueError: if names do not fit, or more are to stay than there are.

    Example:
        >>> from tombola.allocate import erk
        >>> shapes = {"first": (8, 4), "second": (2, 8)}
        >>> masks = random_masks(shapes, erk(shapes, 0.5), generator=torch.Generator().manual_seed(0))
        >>> {name: int(mask.sum()) for name, mask in masks.items()}
        {'first': 13, 'second': 11}
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    if isinstance(counts, int):
        parts = _chosen(sum(sizes.values()), counts, "all parameters", generator).split(list(sizes.values()))
        flat = dict(zip(sizes, parts, strict=True))
    elif set(counts) != set(sizes):
        raise ValueError(f"there are shapes of {sorted(sizes)}, and numbers for {sorted(counts)}")
    else:
        flat = {name: _chosen(size, counts[name], repr(name), generator) for name, size in sizes.items()}
    return {name: flat[name].reshape(tuple(shape)).clone() for name, shape in shapes.items()}


def _chosen(size: int, kept: int, what: str, generator: torch.Generator) -> Tensor:
    """`(size,)` bool, with `kept` random places set."""
    if not 0 <= kept <= size:
        raise ValueError(f"{kept} of {size} weights of {what} cannot stay")
    chosen = torch.zeros(size, dtype=torch.bool, device=generator.device)
    chosen[torch.randperm(size, generator=generator, device=generator.device)[:kept]] = True
    return chosen
