"""The one place where the input of a solver is checked, and where its rows are shared out among threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from tombola.engines import available_cores, map_blocks
from tombola.subset_sum._record import SubsetSums

ARRAY_TYPES = {np.dtype(np.float32), np.dtype(np.float64)}
TENSOR_TYPES = {torch.float32, torch.float64}
INLINE = 1 << 20  # units of a few nanoseconds: work up to this many is not worth a thread
ROWS = 4096  # of 16 candidates in float64 they take half a megabyte

Array: TypeAlias = np.ndarray | Tensor
Kernel: TypeAlias = Callable[[np.ndarray, np.ndarray, float, SubsetSums], None]
"""Fills a record for `candidates` `(m or 1, n)`, `targets` `(m,)`, both float64, and epsilon."""


def check_problem(candidates: Array, targets: Array, epsilon: float, *, largest: int) -> None:
    """Nothing, where a solver can take the problem; an exception that says what to change, where it cannot.

    Args:
        candidates: `(m, n)`, or `(n,)` or `(1, n)` for a pool that all targets share.
        targets: `(m,)`.
        epsilon: the tolerance.
        largest: the largest n of this solver.

    Raises:
        TypeError: if the arrays are not both NumPy's or both tensors.
        ValueError: if a shape, a dtype or epsilon is not what a solver takes.
    """
    kinds = {Tensor if isinstance(array, Tensor) else type(array) for array in (candidates, targets)}
    if kinds not in ({np.ndarray}, {Tensor}):
        raise TypeError(
            f"candidates and targets must both be NumPy arrays or both tensors, got {type(candidates).__name__} "
            f"and {type(targets).__name__}"
        )
    for name, array in (("candidates", candidates), ("targets", targets)):
        if array.dtype not in (TENSOR_TYPES if isinstance(array, Tensor) else ARRAY_TYPES):
            raise ValueError(f"{name} must be float32 or float64, got {array.dtype}: convert them first")
    if candidates.ndim not in (1, 2) or targets.ndim != 1:
        raise ValueError(
            f"candidates must be (m, n), or (n,) for one shared pool, and targets (m,); "
            f"got {tuple(candidates.shape)} and {tuple(targets.shape)}"
        )
    pools, n = candidates.shape if candidates.ndim == 2 else (1, len(candidates))
    if pools not in (1, len(targets)):
        raise ValueError(f"{len(targets)} targets need as many pools, or one that they share; got {pools} pools")
    if n > largest:
        raise ValueError(f"this solver takes pools of at most {largest} candidates, got {n}: split the pools")
    if not (epsilon >= 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon must be a finite number >= 0, got {epsilon}")


def check_finite(candidates: Array, targets: Array) -> None:
    """Raises the error that names the array with a number that is not finite, or so large that sums overflow."""
    for name, array in (("candidates", candidates), ("targets", targets)):
        if not bool((abs(array) < math.inf).all()):
            raise ValueError(f"{name} must be finite, got infinite or missing numbers: drop or replace them")
    raise ValueError("the magnitudes of a pool must have a finite sum: rescale candidates, targets and epsilon")


def empty_record(m: int, n: int) -> SubsetSums:
    """A record of empty subsets for a solver to fill."""
    return SubsetSums(
        selection=np.zeros((m, n), np.bool_),
        value=np.zeros(m),
        error=np.zeros(m),
        met=np.zeros(m, np.bool_),
        proved=np.ones(m, np.bool_),
    )


def solve_in_blocks(kernel: Kernel, candidates: Array, targets: Array, epsilon: float, *, cost: int) -> SubsetSums:
    """The record of all rows; large problems are cut into blocks of rows for as many threads as there are cores.

    A row's answer depends on the row alone, so the blocks do not show in the record. `cost` is what a row takes, in
    units of a few nanoseconds.
    """
    pools, goals = np.atleast_2d(np.asarray(candidates)), np.asarray(targets)
    m = len(goals)
    record = empty_record(m, pools.shape[1])

    def solve(rows: slice) -> None:
        part = SubsetSums(
            record.selection[rows], record.value[rows], record.error[rows], record.met[rows], record.proved[rows]
        )
        own = pools[rows] if len(pools) == m else pools
        kernel(own.astype(np.float64, order="C"), goals[rows].astype(np.float64), epsilon, part)
        np.less_equal(part.error, epsilon, out=part.met)

    threads = 1 if m * cost <= INLINE else available_cores()
    map_blocks(solve, cut(m, threads), threads=threads)
    return record


def cut(m: int, threads: int) -> list[slice]:
    """Blocks of rows that fit the cache, several per thread where there is more than one thread, in whole vectors."""
    share = ROWS if threads == 1 else min(-(-m // (4 * threads)), ROWS)
    lanes = 64 if share > 64 else 8
    rows = -(-share // lanes) * lanes
    return [slice(start, min(start + rows, m)) for start in range(0, m, rows)]
