"""The subset of smallest total magnitude that comes within a tolerance.

- Burkholz2022: Burkholz, "Most activation functions can win the lottery without excessive depth", NeurIPS 2022.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tombola.subset_sum._problem import Array, check_problem, solve_in_blocks
from tombola.subset_sum._record import SubsetSums
from tombola.subset_sum._sparsest import fill_sparsest

LARGEST = 40


def lightest(candidates: Array, targets: Array, *, epsilon: float) -> SubsetSums:
    """For every target the subset within `epsilon` whose magnitudes have the smallest sum; else the nearest subset.

    In a construction of depth L + 1 [Burkholz2022] the kept weights see different noisy copies of a neuron, so errors
    grow with the sum of their magnitudes; this objective keeps that small. Zero candidates are never chosen.

    Guarantee: exact, up to float64's rounding of sums and weights. Where no subset is within `epsilon` the error is as
    for `sparsest`.

    Cost: the sparsest subset bounds the weight, and partial subsets above the bound are dropped; at worst
    O(2^(n/2)) time and 56 * 2^(n/2) bytes.

    Args:
        candidates: `(m, n)`, a pool per target; or `(n,)` or `(1, n)`, one pool for all. float32 or float64. NumPy
            arrays are solved on the processor's cores, tensors on the device where they are.
        targets: `(m,)`, float32 or float64.
        epsilon: the largest error that is accepted, >= 0, in the unit of the targets.

    Returns:
        The record; `proved` is True everywhere.

    Raises:
        ValueError: for shapes that do not fit, n > 40, numbers that are not finite, epsilon < 0.
        TypeError: if the arrays are not both NumPy's or both tensors.

    Example:
        >>> import numpy as np
        >>> pool = np.array([0.9, -0.4, 0.2, 0.28])
        >>> lightest(pool, np.array([0.5]), epsilon=0.05).selection.astype(int).tolist()  # .2 + .28 beats .9 - .4
        [[0, 0, 1, 1]]
    """
    check_problem(candidates, targets, epsilon, largest=LARGEST)
    if isinstance(candidates, Tensor) and isinstance(targets, Tensor):
        from tombola.subset_sum._batched import lightest_of_tensors

        return lightest_of_tensors(candidates, targets, epsilon)
    return solve_in_blocks(fill_lightest, candidates, targets, epsilon, cost=256)


def fill_lightest(candidates: np.ndarray, targets: np.ndarray, epsilon: float, record: SubsetSums) -> None:
    """Solves one block of rows into the record; `candidates` is `(m or 1, n)`, both arrays are float64."""
    from tombola.subset_sum._by_weight import lighten
    from tombola.subset_sum._grid import evaluate

    fill_sparsest(candidates, targets, epsilon, record)
    rows = np.flatnonzero((record.error <= epsilon) & record.selection.any(1))
    lighten(candidates, targets, rows, epsilon, record.selection)
    evaluate(candidates, targets, record.selection, record.value, record.error)
