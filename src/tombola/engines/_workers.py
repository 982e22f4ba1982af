"""Who does the work."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Engine(Protocol):
    """Has a task done for every block, here or elsewhere."""

    def __call__(
        self, task: Callable[[Any, Workers], Any], blocks: Sequence[Any], workers: Workers
    ) -> Generator[tuple[int, Any], None, None]:
        """The number and the result of each block, as soon as it is done, in any order.

        Args:
            task: computes one block; its result depends on the block alone. It may share its work among the threads
                of the workers that it is given, and tells their `progress` how many items are done.
            blocks: the work.
            workers: how many threads each task may use, and who hears of progress.

        Yields:
            What each block gives. The first exception of a block is raised here; closing the generator ends the work.
        """
        ...


def in_process(
    task: Callable[[Any, Workers], Any], blocks: Sequence[Any], workers: Workers
) -> Generator[tuple[int, Any], None, None]:
    """The engine that does one block after the other in this process; threads share the work within a block.

    Example:
        >>> list(in_process(lambda block, workers: 10 * block, [3, 1], Workers()))
        [(0, 30), (1, 10)]
    """
    for number, block in enumerate(blocks):
        yield number, task(block, workers)


@dataclass(frozen=True)
class Workers:
    """Who does the work, who hears of it, and where finished work is kept. No result depends on any of them.

    Args:
        threads: how many threads share the work of a block; default: one per available core, and one with Ray.
        progress: called with the number of items just done.
        engine: `in_process`, or a `Ray`.
        store: a folder for finished blocks; those that are there already are not computed again.
    """

    threads: int | None = None
    progress: Callable[[int], None] = lambda _: None
    engine: Engine = in_process
    store: Path | None = None
