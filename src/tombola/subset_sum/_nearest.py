"""The subset whose sum is nearest to the target.

- Horowitz1974: Horowitz and Sahni, "Computing partitions with applications to the knapsack problem", J. ACM 21.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tombola.subset_sum._problem import Array, check_finite, check_problem, solve_in_blocks
from tombola.subset_sum._record import SubsetSums

LARGEST = 40


def nearest(candidates: Array, targets: Array, *, epsilon: float = 0.0) -> SubsetSums:
    """For every target the subset whose sum is nearest to it; `epsilon` only decides `met`.

    Meet in the middle [Horowitz1974]: the sums of both halves of the pool are put in order and the best pair is found
    in one pass; eight instances share every vector instruction.

    Guarantee: exact; the error is at most (n + 1) 2^-60 of the sum of the pool's magnitudes (or float64's rounding of
    the sum itself) above the smallest. float32 candidates are taken as the numbers that they are.

    Cost: O(n 2^(n/2)) vector operations for eight targets; 2^(n/2 + 7) bytes per core: 512 KB for n = 24, 8 MB for
    n = 32, 134 MB for n = 40.

    Args:
        candidates: `(m, n)`, a pool per target; or `(n,)` or `(1, n)`, one pool for all. float32 or float64. NumPy
            arrays are solved on the processor's cores, tensors on the device where they are.
        targets: `(m,)`, float32 or float64.
        epsilon: the error up to which a target counts as met, >= 0, in the unit of the targets.

    Returns:
        The record; `proved` is True everywhere.

    Raises:
        ValueError: for shapes that do not fit, n > 40, numbers that are not finite, epsilon < 0.
        TypeError: if the arrays are not both NumPy's or both tensors.

    Example:
        >>> import numpy as np
        >>> pool = np.array([0.5, -0.3, 0.21, 0.4])
        >>> found = nearest(pool, np.array([0.12, 2.0]), epsilon=0.05)
        >>> found.selection.astype(int).tolist(), found.met.tolist()
        ([[0, 1, 0, 1], [1, 0, 1, 1]], [True, False])
    """
    check_problem(candidates, targets, epsilon, largest=LARGEST)
    if isinstance(candidates, Tensor) and isinstance(targets, Tensor):
        from tombola.subset_sum._batched import nearest_of_tensors

        return nearest_of_tensors(candidates, targets, epsilon)
    return solve_in_blocks(fill_nearest, candidates, targets, epsilon, cost=1 << candidates.shape[-1] // 2)


def fill_nearest(candidates: np.ndarray, targets: np.ndarray, epsilon: float, record: SubsetSums) -> None:
    """Solves one block of rows into the record; `candidates` is `(m or 1, n)`, both arrays are float64."""
    from tombola.subset_sum._grid import evaluate, triage
    from tombola.subset_sum._network import nearest_rows

    finite, rows, span = triage(candidates, targets, 0.0, record.selection)
    if not finite:
        check_finite(candidates, targets)
    nearest_rows((candidates, targets, span), rows, record.selection)
    evaluate(candidates, targets, record.selection, record.value, record.error)
