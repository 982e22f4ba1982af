"""How many candidates the golden-ratio greedy needs.

- Orseau2020: Orseau, Hutter, Rivasplata, "Logarithmic pruning is all you need", NeurIPS 2020.
"""

from __future__ import annotations

import math

LOG_PHI = math.log((1 + math.sqrt(5)) / 2)


def golden_bins(largest: float, epsilon: float) -> int:
    """How many bins the greedy needs to bring targets up to `largest` within epsilon, if its top bin fits them best.

    `ceil(1 + log_phi(beta / epsilon))` for bins from beta downwards, beta = `largest` / phi; at least 1. Exact, derived
    by the argument of [Orseau2020]: k bins leave at most `beta phi^(1-k)`.

    Args:
        largest: the largest magnitude of a target, above 0.
        epsilon: the tolerance, above 0, in the same unit.

    Returns:
        The number of bins, and of candidates that a target keeps at most.

    Raises:
        ValueError: if an argument is not positive.

    Example:
        >>> phi = (1 + math.sqrt(5)) / 2
        >>> [golden_bins(phi, epsilon) for epsilon in (0.1, 0.01, 0.001, 1e-4)]
        [6, 11, 16, 21]
    """
    if not (largest > 0 and epsilon > 0):
        raise ValueError(f"largest and epsilon must be positive, got {largest} and {epsilon}")
    return max(1, math.ceil(math.log(largest / epsilon) / LOG_PHI))
