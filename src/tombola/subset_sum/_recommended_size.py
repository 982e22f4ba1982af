"""How large the pools must be for many weights at once.

- Pensia2020: Pensia, Rajput, Nagle, Vishwakarma, Papailiopoulos, "Optimal lottery tickets via
  subset sum", NeurIPS 2020.
"""

from __future__ import annotations

import math
from itertools import count as count_from

from tombola.subset_sum._failure_probability import failure_probability


def recommended_size(epsilon: float, count: int, *, failure: float = 0.01) -> int:
    """The smallest pool size at which `count` targets with private pools are all met with the wanted probability.

    The smallest n with `1 - (1 - p)^count <= failure`, p = `failure_probability(n, epsilon)`; heuristic as that law is.
    It grows like log(count / failure) + log(1 / epsilon), as in [Pensia2020], but with the slow tail of lopsided pools:
    a second pool for the few targets that fail is cheaper than the last digits of `failure`.

    Args:
        epsilon: the tolerance, above 0 and at most 1, for targets from U[-1, 1] and candidates from U[-1, 1].
        count: how many targets must be met at once, at least 1.
        failure: the accepted probability that one or more is missed, between 0 and 1.

    Returns:
        The size n of each pool.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> [recommended_size(0.01, count) for count in (1, 1_000, 400_000)]
        [14, 26, 37]
    """
    if not 0 < epsilon <= 1 or count < 1 or not 0 < failure < 1:
        raise ValueError(
            f"epsilon must be in (0, 1], count at least 1 and failure in (0, 1), got {epsilon}, {count}, {failure}"
        )
    accepted = -math.expm1(math.log1p(-failure) / count)  # per target
    return next(n for n in count_from(1) if failure_probability(n, epsilon) <= accepted)
