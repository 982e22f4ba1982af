"""How often a random network holds a single path."""

from __future__ import annotations

import math
from collections.abc import Sequence


def path_probability(widths: Sequence[int]) -> float:
    """The probability that `plant` finds room for `relu_target`, `prod(1 - 2^-n)` over the hidden widths n.

    A path is matched neuron by neuron; in each hidden layer one of n weights has to be positive, and each is so with
    probability one half. The output takes either sign, which its scale undoes; where it may not, count it as a layer
    of width 1. Exact for this matching; a lower bound for the existence of any path, for which a later layer could
    take back an earlier choice. The case of in-degree one of the existence bound of [Fischer2022].

    Args:
        widths: of the hidden layers.

    Raises:
        ValueError: if a width is not positive.

    Example:
        >>> path_probability([1, 2]), round(path_probability([100] * 8), 6)
        (0.375, 1.0)
    """
    if any(width < 1 for width in widths):
        raise ValueError(f"widths must be positive, got {list(widths)}")
    return math.prod(1 - 0.5**width for width in widths)
