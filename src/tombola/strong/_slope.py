r"""The bound that follows the slopes of the ReLUs through the whole difference network.

Difference and target together are one network, with the state \(s_l = (\delta_l, x_l)\) and the layer matrices

\[M_l = \begin{bmatrix} A_l & F_l \\ 0 & W_l \end{bmatrix}, \qquad s_l = D_l M_l s_{l-1},\]

in which every entry of the diagonal matrix \(D_l\) lies in [0, 1]; for a unit that is always or never active it is
known. The output's error is \([A_L\; F_L]\, s_{L-1}\).

References:
    [Fazlyab2019] M. Fazlyab et al., "Efficient and Accurate Estimation of Lipschitz Constants for Deep Neural
        Networks", NeurIPS 2019. The multipliers are theirs; the elimination one layer at a time, with the difference
        network in place of a single one, is ours.
    [Rump2006] S. M. Rump, "Verification of positive definiteness", BIT Numerical Mathematics 46, 2006.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import LinAlgError, cholesky, solve_triangular

from tombola.rounding import UNIT, gamma, upward

from ._difference import Difference
from ._interval import Activity
from ._multipliers import Multipliers, multipliers
from ._norms import frobenius_bound, spectral_norm_bound

BUDGET = 5e10  # multiply-adds, some seconds on two cores; reached by 784-1600-1600-10, whose ticket takes about as long
FLOORS = (0.3, 0.1, 0.03, 0.01, 0.001)  # what may be left of the identity when a factorisation has taken its part


@dataclass(frozen=True, eq=False)
class Chain:
    """The layer matrices of the joint network, and what is known of the slopes between them.

    Attributes:
        matrices: M_1 ... M_L without the rows of units that are never active; M_1 acts on the generators' `(1, z)`.
        gates: for every hidden layer, 1 for each unit that is always active, 1/2 for the others.
        errors: for every matrix a bound of the Frobenius norm of its rounding error.
        reach: for every matrix a bound of the 2-norm of what it acts on.
        sizes: of the centre and of the groups of the input set.
        index: `(c,)`, the group of each column of M_1.
    """

    matrices: tuple[Float64[np.ndarray, "_ _"], ...]
    gates: tuple[Float64[np.ndarray, " _"], ...]
    errors: tuple[float, ...]
    reach: tuple[float, ...]
    sizes: Float64[np.ndarray, " k"]
    index: np.ndarray


def slope_bound(
    problem: Difference, activities: Sequence[Activity], reach: Sequence[tuple[float, float]], *, steps: int
) -> float | None:
    r"""The bound of the output's error by one quadratic multiplier per unit.

    Write an uncertain slope as \(D = (I + S)/2\), \(|S| \le 1\). For a matrix `N` behind a layer `M` and every
    diagonal `T > 0` with \(\tfrac14 N T^{-1} N^\top < I\),

    \[\lVert N D M s \rVert^2 \le \lVert T^{1/2} M s \rVert^2 + \lVert K C s \rVert^2, \qquad
      C = \tfrac12 N M, \quad K^\top K = (I - \tfrac14 N T^{-1} N^\top)^{-1},\]

    because \(\lVert C s + \tfrac12 N w \rVert^2 - w^\top T w\), with \(w = S M s\), is largest over all `w` at
    \(\lVert K C s \rVert^2\), and \(w^\top T w \le \lVert T^{1/2} M s \rVert^2\). From the output backwards every
    layer is absorbed in this way; what remains is one matrix, and its spectral norm over the input set is the bound.
    The guarantee is exact for every `T`, rounding included; the choice of `T` is a heuristic of `steps` gradient steps.
    With two hidden layers of `n` units it costs O(n^3) time and O(n^2) memory, ten times as much as the spectral bound.
    Where its evaluation exceeds `BUDGET` multiply-adds it is left out. That depends on the layers' shapes alone, so
    whoever proves a certificate again has the same bounds.

    Args:
        problem: the difference network.
        activities: of every hidden layer.
        reach: bounds of the norms of difference and target activations, for the input and every hidden layer.
        steps: gradient steps in the search for the multipliers, on networks of ordinary size; fewer on large ones.

    Returns:
        The bound, or None where it would cost too much.
    """
    if _multiply_adds(problem) > BUDGET:
        return None
    chain = _chain(problem, activities, reach)
    if any(0 in matrix.shape for matrix in chain.matrices):
        return 0.0
    return _evaluate(chain, multipliers(chain.matrices, chain.gates, chain.sizes, chain.index, steps=steps))


def _multiply_adds(problem: Difference) -> float:
    """About how many multiply-adds an evaluation of the bound takes, by the shapes of the layers."""
    heights = [len(stage.gap) + len(stage.target) for stage in problem.stages[:-1]]
    widths = [problem.entry_gap.shape[1] + 1, *heights]
    rows, total = len(problem.stages[-1].gap), 0
    for position in range(len(heights) - 1, -1, -1):
        height, width = heights[position], widths[position]
        total += rows * height * width + rows * rows * (height + width + rows) / 2
        rows += height
    return total + rows * widths[0] * min(rows, widths[0]) / 2


def _chain(problem: Difference, activities: Sequence[Activity], reach: Sequence[tuple[float, float]]) -> Chain:
    matrices, gates, errors = [], [], []
    rows_before: tuple[np.ndarray, np.ndarray] | None = None
    for position, stage in enumerate(problem.stages):
        last = position + 1 == len(problem.stages)
        delta_gate = np.ones(len(stage.gap)) if last else activities[position].gap_gate
        target_gate = np.zeros(len(stage.target)) if last else activities[position].target_gate
        rows = np.flatnonzero(stage.inexact & (delta_gate > 0)), np.flatnonzero(target_gate > 0)
        error = stage.gap_error
        if rows_before is None:
            joint = np.concatenate([problem.entry_gap[rows[0]], problem.entry_target[rows[1]]])
            joint, rounding = problem.generators.columns(joint)
            error = error * reach[0][1] * 3 + rounding
        else:
            joint = _joint(stage.ticket[rows[0]], stage.gap[rows[0]], stage.target[rows[1]], rows_before)
        matrices.append(joint)
        errors.append(error)
        if not last:
            gates.append(np.concatenate([delta_gate[rows[0]], target_gate[rows[1]]]))
        rows_before = rows
    sizes, index = problem.generators.sizes()
    norms = (1.0, *(float(np.hypot(*pair)) * upward(2) for pair in reach[1:]))
    return Chain(tuple(matrices), tuple(gates), tuple(errors), norms, sizes, index)


def _joint(
    ticket: np.ndarray, gap: np.ndarray, target: np.ndarray, columns: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """`[[A, F], [0, W]]` on the columns that are left of the state before."""
    upper = np.concatenate([ticket[:, columns[0]], gap[:, columns[1]]], axis=1)
    lower = np.concatenate([np.zeros((len(target), len(columns[0]))), target[:, columns[1]]], axis=1)
    return np.concatenate([upper, lower])


def _evaluate(chain: Chain, choice: Multipliers) -> float:
    """The bound for the given multipliers, with all rounding errors added."""
    scale = _column_scale(chain, choice)
    entry, total = chain.matrices[0] * scale, float(choice.weights.sum()) * upward(len(choice.weights))
    entry_error = chain.errors[0] * float(scale.max()) + 4 * UNIT * frobenius_bound(entry)
    behind = chain.matrices[-1]
    slack = chain.errors[-1] * chain.reach[-1] if len(chain.matrices) > 1 else entry_error
    for position in range(len(chain.matrices) - 2, -1, -1):
        matrix = chain.matrices[position] if position else entry
        error = chain.errors[position] if position else entry_error
        behind, added = _absorb(behind, matrix, chain.gates[position], choice.slopes[position], error)
        slack += added * chain.reach[position]
    if len(chain.matrices) == 1:
        behind = entry
    return (spectral_norm_bound(behind) + slack) * math.sqrt(total) * upward(8)


def _column_scale(chain: Chain, choice: Multipliers) -> np.ndarray:
    """One over the root of the weight of each column's group; 0 for the centre where that is the origin."""
    roots = np.sqrt(choice.weights)
    return np.where(chain.sizes > 0, 1 / np.where(roots > 0, roots, 1.0), 0.0)[chain.index]


def _absorb(
    behind: np.ndarray, matrix: np.ndarray, gate: np.ndarray, slopes: np.ndarray, error: float
) -> tuple[np.ndarray, float]:
    """The matrix that stands behind the layer before, and a bound of the norm of its error.

    Args:
        behind: `(r, s)`, N.
        matrix: `(s, k)`, M.
        gate: `(s,)`.
        slopes: T, for the units of gate 1/2; scaled upward where it is too small.
        error: a bound of the Frobenius norm of the error of `matrix`.
    """
    free = gate < 1
    root = np.sqrt(slopes)
    factor, floor, root = _factor(behind[:, free] * 0.5, root)
    centre = behind @ (gate[:, None] * matrix)
    solved = solve_triangular(factor, centre, lower=True, check_finite=False)
    upper = root[:, None] * matrix[free]
    sizes = [frobenius_bound(part) for part in (behind, matrix, solved, factor, upper)]
    lost = sizes[0] * (error + gamma(len(gate)) * sizes[1]) + gamma(len(factor)) * sizes[3] * sizes[2]
    scaled = float(root.max(initial=0.0)) * error + 2 * UNIT * sizes[4]
    return np.concatenate([upper, solved]), (scaled + lost / np.sqrt(floor) * upward(4)) * upward(8)


def _factor(half: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    r"""A factor `L`, a lower bound of the eigenvalues of `L L^T`, and \(T^{1/2}\), enlarged where that is needed.

    \(L L^\top \le I - \tfrac14 N T^{-1} N^\top\) for certain: what is factorised is less than the right side by a
    multiple of I that exceeds all rounding errors [Rump2006].
    """
    order, terms = half.shape
    while True:
        scaled = half / root
        taken = scaled @ scaled.T
        room = gamma(terms + 8) * frobenius_bound(scaled) ** 2 + 2 * gamma(order + 2) * (order + 1)
        remaining = np.negative(taken)
        remaining[np.diag_indices(order)] += 1 - 2 * room
        floor = next((floor for floor in FLOORS if floor > 4 * room and _is_above(remaining, floor)), None)
        if floor is not None:
            return cholesky(remaining, lower=True, check_finite=False), floor - 3 * room, root
        root = root * (1.5 * spectral_norm_bound(scaled))  # now 1 / 1.5**2 of the identity is taken at most


def _is_above(matrix: np.ndarray, floor: float) -> bool:
    """Whether the factorisation of `matrix - floor I` runs to its end."""
    shifted = matrix - floor * np.eye(len(matrix))
    try:
        cholesky(shifted, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        return False
    return True
