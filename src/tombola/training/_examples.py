"""Passes over the examples of a data set in memory, or of any map-style one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from tombola.data import DataSet
from tombola.isolation import isolated_random_state


@runtime_checkable
class MapStyle(Protocol):
    """A data set that knows its length and gives pairs of an input and a target: a map-style one of torch, or a list.

    Example:
        >>> isinstance([(torch.zeros(3), 1)], MapStyle)
        True
    """

    def __len__(self) -> int:
        """How many examples there are."""
        ...

    def __getitem__(self, index: int, /) -> Any:  # noqa: ANN401 - whatever can be put into a batch
        """The example with a number: input and target."""
        ...


@dataclass(frozen=True)
class Batch:
    """What one process computes of a step.

    Attributes:
        inputs: `(batch, *shape)`.
        targets: `(batch, ...)`.
        weight: of the mean over this part, so that the mean over processes is that over the whole batch.
    """

    inputs: Tensor
    targets: Tensor
    weight: float


def count_of(data: DataSet | MapStyle) -> int:
    """How many training examples there are."""
    return len(data.y_train) if isinstance(data, DataSet) else len(data)


def first_of(data: DataSet | MapStyle) -> tuple[Tensor, Tensor]:
    """A batch of one example.

    Raises:
        ValueError: if there is none, or it is no pair of tensors or numbers.
    """
    if not count_of(data):
        raise ValueError("there are no examples")
    if isinstance(data, DataSet):
        return data.scaling(data.x_train[:1]), data.y_train[:1]
    try:
        with isolated_random_state(torch.Generator().manual_seed(0)):  # examples may be drawn anew each time
            inputs, targets = default_collate([data[0]])
    except (TypeError, ValueError) as error:
        raise ValueError(f"an example is a pair of an input and a target; the first one is none: {error}") from error
    return inputs, targets


@dataclass(frozen=True, eq=False)
class Examples:
    """Training examples in batches, of which every process gets its part.

    Args:
        data: in memory, or map-style.
        batch_size: of all processes together.
        device: of the batches.
        workers: processes that load map-style examples.
        rank: of this process.
        ranks: how many there are.
    """

    data: DataSet | MapStyle
    batch_size: int
    device: torch.device
    workers: int = 0
    rank: int = 0
    ranks: int = 1

    def once(self, generator: torch.Generator, *, skip: int = 0) -> Iterator[Batch]:
        """One pass in a random order, without its first `skip` batches; the last batch may be smaller."""
        order = torch.randperm(count_of(self.data), generator=generator)
        whole = order.split(self.batch_size)[skip:]
        parts = [chosen[self.rank :: self.ranks] if self._is_shared(chosen) else chosen for chosen in whole]
        for (inputs, targets), part, chosen in zip(self._loaded(parts, generator), parts, whole, strict=True):
            weight = self.ranks * len(part) / len(chosen) if self._is_shared(chosen) else 1.0
            yield Batch(inputs, targets, weight)

    def _is_shared(self, chosen: Tensor) -> bool:
        """Whether there is something for every process; else each computes all, which has the same mean."""
        return len(chosen) >= self.ranks

    def _loaded(self, parts: list[Tensor], generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        if isinstance(self.data, DataSet):
            x, y = self._in_memory
            for part in parts:
                local = part.to(self.device)
                yield self.data.scaling(x[local]), y[local]
            return
        numbers = [part.tolist() for part in parts]
        loader = DataLoader(self.data, batch_sampler=numbers, num_workers=self.workers, generator=generator)  # pyright: ignore[reportArgumentType] - its annotations ask for more than it uses
        for inputs, targets in loader:
            yield inputs.to(self.device), targets.to(self.device)

    @cached_property
    def _in_memory(self) -> tuple[Tensor, Tensor]:
        assert isinstance(self.data, DataSet)
        return self.data.x_train.to(self.device), self.data.y_train.to(self.device)
