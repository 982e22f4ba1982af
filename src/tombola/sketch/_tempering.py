"""What it costs and gains to sample in proportion to a power of the initial weights."""

from __future__ import annotations

import math
from typing import NamedTuple


class Tempering(NamedTuple):
    """Errors in units of the error of uniform sampling.

    Attributes:
        unmoved: if the weights stay what they were.
        forgotten: if training makes them independent of what they were.
    """

    unmoved: float
    forgotten: float


def tempering(exponent: float) -> Tempering:
    """The error of sampling with `p` in proportion to `|w0| ** exponent`, relative to uniform sampling.

    `E|g|^a E|g|^(2-a)` if weights stay and `E|g|^a E|g|^-a` if they become independent, `g` standard Gaussian. Exact in
    the limit of many Gaussian weights on features without preferred direction; derived here. Half the power keeps
    most of the gain and costs at most a factor; the first power is best for weights that stay, and without bound for
    weights that do not.

    Args:
        exponent: one over the temperature, in [0, 1].

    Raises:
        ValueError: if it is out of range.

    Example:
        >>> [round(error, 4) for error in tempering(0.5)], [round(error, 4) for error in tempering(1.0)]
        ([0.7071, 1.4142], [0.6366, inf])
    """
    if not 0 <= exponent <= 1:
        raise ValueError(f"exponent lies in [0, 1], got {exponent}")
    moment = _moment(exponent)
    return Tempering(moment * _moment(2 - exponent), moment * _moment(-exponent) if exponent < 1 else math.inf)


def _moment(a: float) -> float:
    """`E|g|^a` of a standard Gaussian, `a > -1`."""
    return 2 ** (a / 2) * math.gamma((a + 1) / 2) / math.sqrt(math.pi)
