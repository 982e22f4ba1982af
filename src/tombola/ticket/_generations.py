"""Values that were drawn again: each weight at its own address, some of them of a later generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tombola.random_source import Law, Source

from ._encoding import Mask, pack

ROWS = 1024  # rows that are looked at together
Made = Callable[[Source], np.ndarray]


def later(source: Source, number: int) -> Source:
    """The source of weights that were drawn again `number` times."""
    return replace(source, generation=source.generation + number)


def values_at(source: Source, name: str, law: Law, generations: Tensor) -> Tensor:
    """A whole tensor of which each value is of a generation of its own.

    Args:
        source: where values come from that were never drawn again.
        name: which tensor.
        law: what all of its values follow.
        generations: integers in the shape of the tensor: how often each was drawn again.

    Returns:
        float32, on the device of `generations`.

    Example:
        >>> from tombola.random_source import Normal
        >>> found = values_at(Source(7), "fc", Normal(1.0), torch.tensor([[0, 1]]))
        >>> again = Source(7, generation=1).tensor("fc", Normal(1.0), (1, 2))
        >>> bool(found[0, 1] == again[0, 1]), bool(found[0, 0] == again[0, 0])
        (True, False)
    """
    found = source.tensor(name, law, generations.shape, device=generations.device)
    for number in generations.unique().tolist():
        if number:
            other = later(source, number).tensor(name, law, generations.shape, device=generations.device)
            found = torch.where(generations == number, other, found)
    return found


def put_later(
    values: np.ndarray, masks: Sequence[Mask], place: tuple[range, range], source: Source, made: Made
) -> None:
    """Puts what was drawn again into a block of values, in place.

    Args:
        values: `(rows, columns)` float32 of the block.
        masks: over the whole tensor, what is of generation 1, 2, ...
        place: rows and columns of the block.
        source: of what was never drawn again.
        made: from a source to the whole block.
    """
    rows, columns = place
    for number, mask in enumerate(masks, 1):
        which, where = mask.edges(rows.start, rows.stop)
        inside = (where >= columns.start) & (where < columns.stop)
        at = which[inside] - rows.start, where[inside] - columns.start
        if at[0].size:
            values[at] = made(later(source, number))[at]


def generation_masks(generations: np.ndarray, kept: np.ndarray) -> tuple[Mask, ...]:
    """What is kept of generation 1, 2, ... up to the last there is.

    Args:
        generations: `(rows, columns)` integers.
        kept: `(rows, columns)` bool.

    Example:
        >>> masks = generation_masks(np.array([[0, 2, 1]]), np.array([[True, True, False]]))
        >>> [mask.kept for mask in masks]
        [0, 1]
    """
    numbers = np.where(kept, generations, 0)
    return tuple(pack(numbers == number) for number in range(1, int(numbers.max(initial=0)) + 1))


def check_generations(name: str, mask: Mask, generations: Sequence[Mask]) -> None:
    """Raises ValueError unless generations are disjoint parts of a mask, the last of them not empty."""
    if any(one.shape != mask.shape for one in generations) or not generations[-1].kept:
        raise ValueError(f"the generations of tensor {name!r} do not fit its mask, or the last of them is empty")
    for start, stop in _blocks(mask.shape[0]):
        free = np.zeros((stop - start, mask.shape[1]), np.bool_)
        for number, one in enumerate([mask, *generations]):
            rows, columns = one.edges(start, stop)
            if number and not free[rows - start, columns].all():
                raise ValueError(f"a weight of tensor {name!r} of generation {number} is pruned, or of two generations")
            free[rows - start, columns] = not number


def check_numbers(generations: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless generations are counts, and fit the parameters that they name."""
    for name, numbers in generations.items():
        if name not in parameters or numbers.shape != parameters[name].shape:
            raise ValueError(f"generations of {name!r}, of shape {tuple(numbers.shape)}, fit no parameter")
        if numbers.is_floating_point() or numbers.is_complex() or bool((numbers < 0).any()):
            raise ValueError(f"generations are integers from 0, those of {name!r} are {numbers.dtype} or negative")


def _blocks(rows: int) -> Iterator[tuple[int, int]]:
    return ((start, min(rows, start + ROWS)) for start in range(0, rows, ROWS))
