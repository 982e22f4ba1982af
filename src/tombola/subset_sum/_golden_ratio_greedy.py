"""Subset sums without a search: one candidate from each of a ladder of bins whose ratio is the golden one.

- Orseau2020: Orseau, Hutter, Rivasplata, "Logarithmic pruning is all you need", NeurIPS 2020.
"""

from __future__ import annotations

import numpy as np

from tombola.subset_sum._on_arrays import on_arrays
from tombola.subset_sum._problem import Array, check_finite, check_problem, solve_in_blocks
from tombola.subset_sum._record import SubsetSums

LARGEST = 1 << 16


def golden_ratio_greedy(candidates: Array, targets: Array, *, epsilon: float) -> SubsetSums:
    """For every target what a greedy walk down the powers of the golden ratio picks up.

    Bins are `(phi^-(i+1), phi^-i]` for all integers i, phi = (1 + sqrt 5) / 2; of each bin only the first candidate of
    the target's sign counts. From the bin of the largest index i with `|target| <= phi^(1-i)` on down, a candidate is
    taken if it is no larger than what is left, until no more than epsilon is left [Orseau2020].

    Guarantee: before bin i no more than `phi^(1-i)` is left if no bin above it was empty. Skipped: then less than the
    candidate is left, which is at most `phi^-i`. Taken: `phi^(1-i) - phi^-(i+1) = phi^-i` at most is left. So epsilon
    is reached, for sure, where all bins down to the last i with `phi^(1-i) > epsilon` hold a candidate; these are at
    most `golden_bins(|target|, epsilon) + 1`, one less for targets that are powers of phi. Empty bins are stepped over,
    and what is then reached is heuristic.

    Cost: O(n) to sort a pool into bins, O(k) per target.

    Args:
        candidates: `(m, n)`, a pool per target; or `(n,)` or `(1, n)`, one pool for all. float32 or float64. Tensors
            are solved on the processor.
        targets: `(m,)`, float32 or float64.
        epsilon: the error at which the walk ends, >= 0, in the unit of the targets.

    Returns:
        The record; `proved` is False everywhere, as nothing is minimised.

    Raises:
        ValueError: for shapes that do not fit, n > 65,536, numbers that are not finite, epsilon < 0.
        TypeError: if the arrays are not both NumPy's or both tensors.

    Example:
        >>> phi = (1 + 5**0.5) / 2
        >>> pool = 0.8 * phi ** -np.arange(11.0)  # one candidate in each of eleven bins
        >>> found = golden_ratio_greedy(pool, np.array([1.0, 0.3, -0.3]), epsilon=0.01)
        >>> found.met.tolist(), int(found.size.max())
        ([True, True, False], 4)
    """
    check_problem(candidates, targets, epsilon, largest=LARGEST)
    return on_arrays(
        lambda pools, goals: solve_in_blocks(fill_greedy, pools, goals, epsilon, cost=8 * pools.shape[-1]),
        candidates,
        targets,
    )


def fill_greedy(candidates: np.ndarray, targets: np.ndarray, epsilon: float, record: SubsetSums) -> None:
    """Solves one block of rows into the record; `candidates` is `(m or 1, n)`, both arrays are float64."""
    from tombola.subset_sum._golden_walk import walk_bins
    from tombola.subset_sum._grid import evaluate

    if not (np.abs(candidates).sum(axis=1) < np.inf).all() or not (np.abs(targets) < np.inf).all():
        check_finite(candidates, targets)
    walk_bins(candidates, targets, epsilon, record.selection)
    record.proved[:] = False
    evaluate(candidates, targets, record.selection, record.value, record.error)
