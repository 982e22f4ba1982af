"""What rounding to nearest in float64 can add to a sum, after [Rump2006].

Underflow is left out: weights and radii whose products fall below 1e-300 are outside of what is proved.

References:
    [Rump2006] S. M. Rump, "Verification of positive definiteness", BIT 46, 2006.
"""

from __future__ import annotations

UNIT = 2.0**-53


def gamma(terms: int) -> float:
    """The relative error of a sum of `terms` products, in any order, against the sum of their absolute values.

    An upper bound of `k u / (1 - k u)` with the unit round-off `u = 2**-53`, with room for its own rounding.

    Example:
        >>> round(gamma(1000) / UNIT, 6)
        1004.0
    """
    return (terms + 4) * UNIT / (1 - 2 * (terms + 4) * UNIT)


def upward(terms: int) -> float:
    """The factor that turns a computed sum of `terms` non-negative products, or its root, into an upper bound."""
    return 1 + 2 * gamma(terms)
