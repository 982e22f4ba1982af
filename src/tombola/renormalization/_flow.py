"""What iterative pruning does to groups of weights, level by level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from tombola.masks import Masks

from ._groups import Grouping, by_layer


@dataclass(frozen=True, eq=False)
class Flow:
    """One run of iterative pruning, as groups of weights see it.

    Levels are rows and groups are columns. Nothing is divided by zero here: a group that has lost all weights has
    counts and magnitudes of 0, and logarithms of them are left to those who say what they refuse.

    Attributes:
        groups: names, in order.
        sizes: `(g,)` int64, weights of each group, kept or not.
        counts: `(levels, g)` int64, weights that are kept.
        magnitudes: `(levels, g)` float64, sums of moduli of kept weights, as trained.
        squares: likewise, of squares.
        errors: `(levels,)` float64 test errors as fractions, or None where they are not known.
        about: what the run was: data, model, optimiser, seed; two flows are compared if all but data and seed agree.

    Raises:
        ValueError: if the arrays do not fit each other, a count exceeds its size, or counts ever grow in all.
    """

    groups: tuple[str, ...]
    sizes: np.ndarray
    counts: np.ndarray
    magnitudes: np.ndarray
    squares: np.ndarray
    errors: np.ndarray | None = None
    about: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        levels, shape = len(self.counts), (len(self.groups),)
        arrays = {"counts": self.counts, "magnitudes": self.magnitudes, "squares": self.squares}
        if wrong := [name for name, array in arrays.items() if array.shape != (levels, *shape)]:
            raise ValueError(f"{wrong[0]} are of shape {arrays[wrong[0]].shape}, wanted {(levels, *shape)}")
        if self.sizes.shape != shape or levels < 1 or (self.counts > self.sizes).any() or (self.counts < 0).any():
            raise ValueError("a flow has at least one level, and counts from 0 to the sizes of its groups")
        if self.errors is not None and self.errors.shape != (levels,):
            raise ValueError(f"errors are of shape {self.errors.shape}, wanted {(levels,)}")
        if (np.diff(self.kept) > 0).any():
            raise ValueError(f"levels are given from dense to sparse; these keep {self.kept.tolist()}")

    @property
    def kept(self) -> np.ndarray:
        """`(levels,)` int64, how many weights are kept in all."""
        return self.counts.sum(axis=1)

    @property
    def time(self) -> np.ndarray:
        """`(levels,)` float64, the time of the flow, minus the logarithm of the density of all weights."""
        return -np.log(self.kept / self.sizes.sum())

    @property
    def densities(self) -> np.ndarray:
        """`(levels, g)` float64, kept fractions of groups."""
        return self.counts / self.sizes

    @property
    def shares(self) -> np.ndarray:
        """`(levels, g)` float64, of all weights that are kept those in each group."""
        return self.counts / self.kept[:, None]


def flow_of(
    levels: Iterable[tuple[Mapping[str, Tensor], Masks]],
    *,
    grouping: Grouping = by_layer,
    errors: Iterable[float] | None = None,
    about: Mapping[str, object] | None = None,
) -> Flow:
    """The flow of a run from its levels, of any origin.

    Args:
        levels: trained weights by name, and masks of those that are pruned, from dense to sparse. For levels of
            `tombola.imp` these are `dict(level.model.named_parameters())` and `level.masks`.
        grouping: from the names of masked parameters to groups.
        errors: test errors of the levels, as fractions.
        about: what the run was.

    Raises:
        ValueError: if there is no level, or levels have other names, or a mask that does not fit its weights.

    Example:
        >>> import torch
        >>> weights = {"a": torch.tensor([3.0, -1.0]), "b": torch.tensor([2.0, 0.5])}
        >>> masks = [torch.tensor([True, True]), torch.tensor([True, False])]
        >>> flow = flow_of([(weights, {"a": masks[0], "b": masks[0]}), (weights, {"a": masks[0], "b": masks[1]})])
        >>> flow.counts.tolist(), flow.magnitudes.tolist()
        ([[2, 2], [2, 1]], [[4.0, 2.5], [4.0, 2.0]])
    """
    rows, groups, sizes = [], None, None
    for weights, masks in levels:
        found = grouping(masks)
        if groups is not None and found != groups:
            raise ValueError("the levels do not mask the same parameters")
        groups, sizes = found, [sum(masks[name].numel() for name in names) for names in found.values()]
        rows.append([_row(names, weights, masks) for names in found.values()])
    if groups is None:
        raise ValueError("a flow needs at least one level")
    table = np.array(rows, np.float64)
    return Flow(
        tuple(groups),
        np.array(sizes, np.int64),
        table[:, :, 0].astype(np.int64),
        table[:, :, 1],
        table[:, :, 2],
        None if errors is None else np.array(list(errors), np.float64),
        dict(about or {}),
    )


def _row(names: Iterable[str], weights: Mapping[str, Tensor], masks: Masks) -> tuple[float, float, float]:
    """Count, magnitude and square of one group."""
    count, magnitude, square = 0.0, 0.0, 0.0
    for name in names:
        if name not in weights or weights[name].shape != masks[name].shape:
            raise ValueError(f"the mask of {name!r}, of shape {tuple(masks[name].shape)}, fits no weights")
        kept = weights[name].detach()[masks[name]].double()
        count += kept.numel()
        magnitude += float(kept.abs().sum())
        square += float(kept @ kept)
    return count, magnitude, square
