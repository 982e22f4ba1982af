"""On which side of their mean the inputs of a task have their long tail."""

from __future__ import annotations

from tombola.data import DataSet


def input_skew(data: DataSet) -> float:
    """The third standardised moment of all training inputs, each about its own mean over examples.

    Inverting inputs turns its sign around, rotating or permuting pixels leaves it. Tasks whose signs differ have
    tickets that may be misaligned although their exponents are equal; equal signs prove nothing.

    Args:
        data: any data set; scaled inputs are looked at.

    Raises:
        ValueError: if the inputs do not vary.

    Example:
        >>> from tombola import data
        >>> round(input_skew(data.load("digits")), 2)
        0.03
    """
    x = data.train()[0].flatten(1).double()
    centred = x - x.mean(dim=0)
    variance = float(centred.square().mean())
    if variance == 0:
        raise ValueError(f"the inputs of {data.name} do not vary")
    return float((centred**3).mean()) / variance**1.5
