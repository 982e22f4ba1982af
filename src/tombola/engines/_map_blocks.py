"""Maps a function over blocks with threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")


def available_cores() -> int:
    """How many processor cores this process may use, at least one.

    Example:
        >>> available_cores() >= 1
        True
    """
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1))


def map_blocks(
    function: Callable[[Block], Result], blocks: Iterable[Block], *, threads: int | None = None
) -> list[Result]:
    """The results of `function` on every block, in the order of the blocks.

    Args:
        function: computes one block; it should release the interpreter lock to gain from threads.
        blocks: the work.
        threads: how many threads share it; default: one per available core.

    Returns:
        One result per block. The first exception of a block is raised here.

    Raises:
        ValueError: if `threads` is below 1.

    Example:
        >>> map_blocks(lambda block: block * block, range(4), threads=2)
        [0, 1, 4, 9]
    """
    workers = available_cores() if threads is None else threads
    if workers < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    work = list(blocks)
    if workers == 1 or len(work) <= 1:
        return [function(block) for block in work]
    with ThreadPoolExecutor(min(workers, len(work))) as pool:
        return list(pool.map(function, work))
