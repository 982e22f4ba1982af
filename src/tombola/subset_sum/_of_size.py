"""The subset of a given size whose sum is nearest to the target.

- Horowitz1974: Horowitz and Sahni, "Computing partitions with applications to the knapsack problem", J. ACM 21.
- Natale2024: Natale et al., "On the sparsity of the strong lottery ticket hypothesis", NeurIPS 2024.
"""

from __future__ import annotations

import math

import numpy as np

from tombola.subset_sum._on_arrays import on_arrays
from tombola.subset_sum._problem import Array, check_finite, check_problem, solve_in_blocks
from tombola.subset_sum._record import SubsetSums

LARGEST = 2046
LARGEST_SIZE = 6
ENTRIES = 1 << 22  # sums of one half: 64 MB with their subsets


def of_size(candidates: Array, targets: Array, *, size: int, epsilon: float = 0.0) -> SubsetSums:
    """For every target the subset of exactly `size` candidates whose sum is nearest to it: the problem of [Natale2024].

    Meet in the middle [Horowitz1974] over the subsets of each half that hold at most `size` candidates, by size; pools
    with fewer candidates are taken whole. Zero candidates count, but are not selected; `epsilon` only decides `met`.

    Guarantee: exact up to float64's rounding of sums. Cost: `O(C(n / 2, size))` time and memory for each target.

    Args:
        candidates: `(m, n)`, a pool per target; or `(n,)` or `(1, n)`, one pool for all. float32 or float64. Tensors
            are solved on the processor.
        targets: `(m,)`, float32 or float64.
        size: how many candidates each subset holds, from 1 to 6.
        epsilon: the error up to which a target counts as met, >= 0, in the unit of the targets.

    Returns:
        The record; `proved` is True everywhere.

    Raises:
        ValueError: for shapes that do not fit, a size out of range, n > 2046 or so large that one half has more than
            2^22 subsets, numbers that are not finite, epsilon < 0.
        TypeError: if the arrays are not both NumPy's or both tensors.

    Example:
        >>> pool = np.array([0.5, -0.3, 0.21, 0.4])
        >>> [of_size(pool, np.array([0.39]), size=k).selection.astype(int).tolist() for k in (1, 2, 3)]
        [[[0, 0, 0, 1]], [[1, 1, 0, 0]], [[1, 1, 1, 0]]]
    """
    check_problem(candidates, targets, epsilon, largest=LARGEST)
    if not 1 <= size <= LARGEST_SIZE:
        raise ValueError(f"size must be from 1 to {LARGEST_SIZE}, got {size}: larger subsets are what `nearest` is for")
    entries = half_entries(candidates.shape[-1], size)
    if entries > ENTRIES:
        raise ValueError(
            f"half of {candidates.shape[-1]} candidates has {entries} subsets of up to {size}, more than {ENTRIES}: "
            f"split the pools or take a smaller size"
        )

    def fill(pools: np.ndarray, goals: np.ndarray, _: float, record: SubsetSums) -> None:
        fill_of_size(pools, goals, size, record)

    return on_arrays(
        lambda pools, goals: solve_in_blocks(fill, pools, goals, epsilon, cost=2 * entries), candidates, targets
    )


def half_entries(n: int, size: int) -> int:
    """How many subsets of up to `size` candidates the larger half of n has."""
    return sum(math.comb((n + 1) // 2, k) for k in range(size + 1))


def fill_of_size(candidates: np.ndarray, targets: np.ndarray, size: int, record: SubsetSums) -> None:
    """Solves one block of rows into the record; `candidates` is `(m or 1, n)`, both arrays are float64."""
    from tombola.subset_sum._grid import evaluate
    from tombola.subset_sum._sized import nearest_of_size

    if not (np.abs(candidates).sum(axis=1) < np.inf).all() or not (np.abs(targets) < np.inf).all():
        check_finite(candidates, targets)
    nearest_of_size(candidates, targets, size, half_entries(candidates.shape[1], size), record.selection)
    evaluate(candidates, targets, record.selection, record.value, record.error)
