"""Spectral norms that are proved, not estimated.

References:
    [Rump2006] S. M. Rump, "Verification of positive definiteness", BIT Numerical Mathematics 46, 2006.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.linalg import LinAlgError, cho_factor, eigh_tridiagonal

from tombola.rounding import UNIT, gamma, upward

SMALL = 48  # up to this order all eigenvalues are computed; beyond it Lanczos finds the largest
LANCZOS_STEPS = 160
LANCZOS_TOLERANCE = 1e-9
FIRST_MARGIN = 2.0**-32


def spectral_norm_bound(matrix: Float64[np.ndarray, "m n"]) -> float:
    r"""A number that is at least the largest singular value of a matrix, and above it by less than one in a million.

    With the Gram matrix `G` of the shorter side and an estimate `c` of its largest eigenvalue, a Cholesky
    factorisation of `c I - G` that runs to its end proves \(\lambda_{\max}(G) \le c + \varphi\,
    \mathrm{tr}(c I - G)\), \(\varphi = \gamma_{n+1}/(1-\gamma_{n+1})\) [Rump2006]; the rounding errors of `G`
    itself are below \(\gamma\,\lVert M\rVert_F^2\). If the factorisation fails, `c` grows and it is repeated. The
    estimate needs no trust: a poor one costs time.

    The guarantee is exact (rounding included, underflow aside). The closeness is measured, up to 5000 rows or columns.
    Costs O(m n k) time and memory for one k by k matrix beyond the given one, `k = min(m, n)`.

    Args:
        matrix: `(m, n)`; may be empty.

    Returns:
        The bound; 0 only for a matrix of zeros.

    Raises:
        ValueError: if an entry is not finite.

    Example:
        >>> spectral_norm_bound(np.array([[3.0, 0.0], [4.0, 0.0]])) - 5.0 < 1e-8
        True
    """
    largest = float(np.maximum(matrix.max(initial=0.0), -matrix.min(initial=0.0)))
    if not np.isfinite(largest):
        raise ValueError("a matrix with entries that are not finite has no norm")
    if largest == 0:
        return 0.0
    exponent = int(np.frexp(largest)[1])
    if abs(exponent) > 300:  # powers of two are exact; only where squares would leave the range of numbers
        return float(np.ldexp(spectral_norm_bound(np.ldexp(matrix, -exponent)), exponent)) * upward(1)
    return float(np.sqrt(_largest_eigenvalue_bound(matrix)) * upward(4))


def frobenius_bound(matrix: Float64[np.ndarray, "m n"]) -> float:
    """The root of the sum of the squared entries, rounded upward; at least the spectral norm."""
    return float(np.linalg.norm(matrix)) * upward(matrix.size)


def _largest_eigenvalue_bound(matrix: np.ndarray) -> float:
    """An upper bound of the largest eigenvalue of the Gram matrix."""
    tall = matrix.shape[0] >= matrix.shape[1]
    gram = matrix.T @ matrix if tall else matrix @ matrix.T
    trace = float(np.trace(gram))
    order = len(gram)
    estimate = max(_estimate(gram), trace / order)
    margin = first_margin(order)
    candidate = estimate * (1 + margin)
    while not _is_positive_definite(gram, candidate):
        margin *= 4
        candidate = estimate * (1 + margin)
    remainder = order * candidate * upward(1) - trace * (2 - upward(order))
    proof = gamma(order + 1) * 1.01 * max(remainder, 0.0) + 4 * UNIT * candidate
    return candidate + proof + gamma(max(matrix.shape)) * trace * upward(order + max(matrix.shape))


def first_margin(order: int) -> float:
    """By how much, relatively, the first candidate exceeds the estimate."""
    return FIRST_MARGIN + 2 * order * gamma(order + 1)


def _is_positive_definite(gram: np.ndarray, shift: float) -> bool:
    """Whether the factorisation of `shift I - gram` runs to its end.

    It takes the place of `gram`. If it fails, `gram` is put back: one triangle is neither read nor written.
    """
    diagonal = gram.diagonal().copy()
    shifted = np.negative(gram, out=gram).T  # symmetric; columns follow each other in memory, as the routine wants them
    np.fill_diagonal(shifted, shift - diagonal)
    try:
        cho_factor(shifted, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError:
        for row in range(len(gram)):
            shifted[row + 1 :, row] = shifted[row, row + 1 :]
        np.negative(gram, out=gram)
        np.fill_diagonal(gram, diagonal)
        return False
    return True


def _estimate(gram: np.ndarray) -> float:
    """The largest eigenvalue, nearly; above it by rounding errors at most."""
    if len(gram) <= SMALL:
        return float(np.linalg.eigvalsh(gram)[-1])
    vector = _lanczos(gram)
    return float(vector @ (gram @ vector) / (vector @ vector))


def _lanczos(gram: np.ndarray) -> np.ndarray:
    """The leading Ritz vector after so many Lanczos steps that its value has settled, with full orthogonalisation."""
    order = len(gram)
    basis = np.empty((min(LANCZOS_STEPS, order), order))
    vector = gram @ (1.0 + np.arange(order) % 7)  # some start that is no eigenvector of matrices with a pattern
    diagonal, off, before = [], [], 0.0
    for step in range(len(basis)):
        off.append(float(np.linalg.norm(vector)))
        if off[-1] <= 1e-12 * max(diagonal, default=0.0) or off[-1] == 0:
            break
        basis[step] = vector / off[-1]
        vector = gram @ basis[step]
        diagonal.append(float(basis[step] @ vector))
        for _ in range(2):
            vector -= basis[: step + 1].T @ (basis[: step + 1] @ vector)
        if step % 8 == 7:
            value = _top_ritz(diagonal, off)[0]
            if value - before <= LANCZOS_TOLERANCE * value:
                break
            before = value
    if not diagonal:
        return np.ones(order)
    return basis[: len(diagonal)].T @ _top_ritz(diagonal, off)[1]


def _top_ritz(diagonal: list[float], off: list[float]) -> tuple[float, np.ndarray]:
    """The largest eigenvalue of the tridiagonal matrix and its vector; `off[0]`, the start's norm, is not in it."""
    last = len(diagonal) - 1
    values, vectors = eigh_tridiagonal(diagonal, off[1 : last + 1], select="i", select_range=(last, last))
    return float(values[0]), vectors[:, 0]
