"""The subset of fewest candidates that comes within a tolerance.

- Burkholz2022: Burkholz, "Most activation functions can win the lottery without excessive depth", NeurIPS 2022.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from tombola.subset_sum._nearest import fill_nearest
from tombola.subset_sum._problem import Array, check_finite, check_problem, empty_record, solve_in_blocks
from tombola.subset_sum._record import SubsetSums

EXACT = 40  # the largest pool that is searched to the end
LARGEST = 64
HEURISTIC = 28  # beyond `EXACT`, how many of the smallest candidates are searched exactly


def sparsest(candidates: Array, targets: Array, *, epsilon: float) -> SubsetSums:
    """For every target a subset of the fewest candidates whose sum is within `epsilon`; else the nearest subset.

    Among the subsets of that size the one with the smallest error is chosen. The empty set counts, zero candidates are
    never chosen. Sizes up to six are searched by enumeration, many instances per vector instruction; what is left is
    first tested for feasibility and then solved by meet in the middle. This is the objective of the published
    constructions, which enumerate subsets of growing size [Burkholz2022, code].

    Guarantee: exact for n <= 40. The number of candidates and `met` are those of float64 sums in ascending order; the
    error is the smallest of that size, or of all where none is within `epsilon`, up to 2^-26 of the sum of the pool's
    magnitudes. For 40 < n <= 64 it is exact where at most six candidates (of tensors: four) suffice and where the
    target is out of reach of all candidates of its sign; elsewhere (`proved` is False) the largest candidates are
    chosen greedily and the 28 smallest exactly.

    Cost: O(C(n, k)) per target that k <= 6 candidates solve, else O(n 2^(n/2)) time and 2^(n/2 + 7) bytes.

    Args:
        candidates: `(m, n)`, a pool per target; or `(n,)` or `(1, n)`, one pool for all. float32 or float64. NumPy
            arrays are solved on the processor's cores, tensors on the device where they are.
        targets: `(m,)`, float32 or float64.
        epsilon: the largest error that is accepted, >= 0, in the unit of the targets.

    Returns:
        The record; `met` is False where no subset was found within `epsilon`.

    Raises:
        ValueError: for shapes that do not fit, n > 64, numbers that are not finite, epsilon < 0.
        TypeError: if the arrays are not both NumPy's or both tensors.

    Example:
        >>> import numpy as np
        >>> pool = np.array([0.5, -0.3, 0.21, 0.4])
        >>> found = sparsest(pool, np.array([0.1, 0.6, 3.0]), epsilon=0.02)
        >>> found.selection.astype(int).tolist()
        [[0, 1, 0, 1], [0, 0, 1, 1], [1, 0, 1, 1]]
        >>> found.met.tolist()
        [True, True, False]
    """
    check_problem(candidates, targets, epsilon, largest=LARGEST)
    if isinstance(candidates, Tensor) and isinstance(targets, Tensor):
        from tombola.subset_sum._batched import sparsest_of_tensors

        return sparsest_of_tensors(candidates, targets, epsilon)
    return solve_in_blocks(fill_sparsest, candidates, targets, epsilon, cost=128)


def fill_sparsest(candidates: np.ndarray, targets: np.ndarray, epsilon: float, record: SubsetSums) -> None:
    """Solves one block of rows into the record; `candidates` is `(m or 1, n)`, both arrays are float64."""
    from tombola.subset_sum._grid import evaluate, triage
    from tombola.subset_sum._scan import scan

    finite, rows, span = triage(candidates, targets, epsilon, record.selection)
    if not finite:
        check_finite(candidates, targets)
    rows = scan((candidates, targets, span, epsilon), record.selection, rows)
    if len(rows):
        fill_hard_rows(candidates, targets, epsilon, rows, record)
    evaluate(candidates, targets, record.selection, record.value, record.error)


def fill_hard_rows(
    candidates: np.ndarray, targets: np.ndarray, epsilon: float, rows: np.ndarray, record: SubsetSums
) -> None:
    """Selects, for rows that no small subset solves, the nearest subset, and the fewest if that is within epsilon."""
    from tombola.subset_sum._by_size import fewest
    from tombola.subset_sum._scan import LARGEST_SIZE

    pools, goals = candidates[rows] if len(candidates) > 1 else candidates, targets[rows]
    if pools.shape[1] > EXACT:
        record.selection[rows] = guess(np.broadcast_to(pools, (len(rows), pools.shape[1])), goals)
        record.proved[rows] = False
        return
    hard = empty_record(*record.selection[rows].shape)
    fill_nearest(pools, goals, epsilon, hard)
    feasible = np.flatnonzero(hard.error <= epsilon)
    fewest(pools, goals, feasible, (epsilon, LARGEST_SIZE + 1), hard.selection)
    record.selection[rows] = hard.selection


def guess(pools: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """A heuristic for large pools: large candidates where they bring the target closer, then the exact nearest rest."""
    order = np.argsort(-np.abs(pools), axis=1)
    pools = np.take_along_axis(pools, order, 1)
    chosen, rest = np.zeros(pools.shape, np.bool_), targets.copy()
    large = pools.shape[1] - HEURISTIC
    for j in range(large):
        chosen[:, j] = np.abs(rest - pools[:, j]) < np.abs(rest)
        rest -= np.where(chosen[:, j], pools[:, j], 0.0)
    small = empty_record(len(rest), HEURISTIC)
    fill_nearest(np.ascontiguousarray(pools[:, large:]), rest, 0.0, small)
    chosen[:, large:] = small.selection
    selection = np.zeros_like(chosen)
    np.put_along_axis(selection, order, chosen, 1)
    return selection
