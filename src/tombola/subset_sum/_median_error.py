"""How close the nearest subset sum of a random pool typically comes.

- Lueker1998: Lueker, "Exponentially small bounds on the expected optimum of the partition and subset sum problems",
  Random Structures and Algorithms 12.
"""

from __future__ import annotations

import math


def median_error(n: int, *, half_width: float = 1.0) -> float:
    """The median error of the nearest of all 2^n subset sums of n uniform numbers.

    `0.74 (1 + 1.4 / (n R^2)) R sqrt(pi n / 3) 2^-(n + 1)` for candidates from U[-R, R] and targets from U[-1, 1].

    Derived: near a target in the bulk the sums are as dense as 2^n draws from a normal law of variance n R^2 / 12, so
    the error is exponential of mean R sqrt(pi n / 6) 2^-(n + 1/2) and falls exponentially as in [Lueker1998].
    Measured: the first two factors, which average over pools and over targets off the centre. Within 5 % of the median
    of 20,000 to 40,000 trials for R >= 1 and n = 8..22; for R = 0.5 within 10 % from n = 12 on. Pools that do not reach
    the targets (R < 0.5) are outside its range.

    Args:
        n: the size of the pool, at least 1.
        half_width: R, in the unit of the targets.

    Returns:
        The median error, in the unit of the targets.

    Raises:
        ValueError: if `n` is below 1 or `half_width` is not positive.

    Example:
        >>> [f"{median_error(n):.1e}" for n in (8, 16, 24)]  # each element halves it
        ['4.9e-03', '2.5e-05', '1.2e-07']
    """
    if n < 1 or not half_width > 0:
        raise ValueError(f"n must be at least 1 and half_width positive, got {n} and {half_width}")
    spread = 0.74 * (1 + 1.4 / (n * half_width**2))
    return spread * half_width * math.sqrt(math.pi * n / 3) * 2.0 ** -(n + 1)
