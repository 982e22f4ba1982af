"""Polynomials: a logarithm, an affine map of exponents, an exponential.

[BurkholzUniversal2022] Burkholz, Laha, Mukherjee, Gotovos, "On the existence of universal lottery tickets", ICLR 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np

from ._family import Family, checked, checked_tolerance, split
from ._function import decay, negative_log
from ._step import Block, Linear

MARGIN = 0.1  # that the exponential covers beyond what exact logarithms reach; a ticket covers what it reaches
LARGEST = 2**26  # numbers in a matrix of exponents
WEIGHTS = 0.2  # of the tolerance: what the exponents may be off by


def polynomial(dimension: int, degree: int, *, tolerance: float = 1e-3) -> Family:
    """All monomials of total degree 1 to `degree` in `(1 + x_i) / 2`, for x in `[0, 1]^d`.

    Every one is `exp(sum_i r_i log((1 + x_i) / 2))`: the logarithm and the exponential are one block each, shared by
    all coordinates and features, so that neither grows with the dimension [BurkholzUniversal2022]. With a constant
    they span all polynomials of the degree; `x^m` has the coefficients `C(m, j) 2^j (-1)^(m - j)`, of l1-norm `3^m`.

    The error is at most `degree * E_log + E_exp`, and what the exponents are off by. The best broken lines of N pieces
    have `E_log = (log 2)^2 / (16 N^2)` and `E_exp = (1 - 2^(-degree / 2))^2 / (4 N^2)`, about; chords have twice that.

    Args:
        dimension: how many inputs.
        degree: the largest total degree.
        tolerance: the largest error wanted, of any feature.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> family = polynomial(2, 2)
        >>> family.label(["a", "b"])
        ['a', 'b', 'a^2', 'a b', 'b^2']
        >>> family.exact(np.array([[1.0, 0.0]])).round(6).tolist()
        [[1.0, 0.5, 1.0, 0.5, 0.25]]
    """
    dimension, degree = checked("dimension", dimension, 1), checked("degree", degree, 1)
    tolerance = checked_tolerance(tolerance)
    exponents = exponent_matrix(dimension, degree)
    integrals = [math.log(2), 2 * (1 - 2 ** (-degree / 2))]
    log_error, exp_error = split(tolerance * (1 - WEIGHTS), integrals, [float(degree), 1.0])
    terms = min(dimension, degree)
    steps = (
        Block("log", (negative_log(),), log_error),
        Linear("exponents", exponents, None, WEIGHTS * tolerance / math.log(2) / terms),
        Block("exp", (decay(degree * math.log(2) + MARGIN),), exp_error, relu=False),
    )

    def label(names: Sequence[str]) -> list[str]:
        return [
            " ".join(
                name if power == 1 else f"{name}^{int(power)}" for name, power in zip(names, row, strict=True) if power
            )
            for row in exponents
        ]

    return Family("polynomial", dimension, tolerance, {"degree": degree}, steps, label)


def exponent_matrix(dimension: int, degree: int) -> np.ndarray:
    """The exponents `(features, dimension)` of all monomials of total degree 1 to `degree`, by degree.

    Raises:
        ValueError: if there are so many that the matrix would take more than half a gigabyte.

    Example:
        >>> exponent_matrix(2, 2).astype(int).tolist()
        [[1, 0], [0, 1], [2, 0], [1, 1], [0, 2]]
    """
    count = math.comb(dimension + degree, degree) - 1
    if count * dimension > LARGEST:
        raise ValueError(f"{dimension} inputs have {count:,} monomials of degree 1 to {degree}, too many to make")
    rows = [
        np.bincount(chosen, minlength=dimension)
        for total in range(1, degree + 1)
        for chosen in combinations_with_replacement(range(dimension), total)
    ]
    return np.array(rows, np.float64)
