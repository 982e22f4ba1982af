"""The constructions by their names, as the command line spells them."""

from __future__ import annotations

from collections.abc import Callable

from ._construct import Construction
from ._depth_leveraged import depth_leveraged
from ._fixed_size import fixed_size
from ._golden_ratio import golden_ratio
from ._malach_box import malach_box
from ._malach_product import malach_product
from ._one_extra import one_extra
from ._pensia import pensia
from ._two_layer import two_layer

PLAIN: dict[str, Construction] = {
    "two-layer": two_layer,
    "one-extra": one_extra,
    "pensia": pensia,
    "golden-ratio": golden_ratio,
    "malach-product": malach_product,
    "malach-box": malach_box,
}
NUMBERED: dict[str, Callable[[int], Construction]] = {"fixed-size": fixed_size, "depth-leveraged": depth_leveraged}


def named_construction(name: str) -> Construction:
    """The construction of a name such as `two-layer` or `fixed-size:3`.

    Raises:
        ValueError: for another name, or a number that is missing, not wanted, or out of range.

    Example:
        >>> named_construction("one-extra").__name__
        'one_extra'
        >>> named_construction("fixed-size")
        Traceback (most recent call last):
        ValueError: fixed-size wants a number, as in fixed-size:3
    """
    key, colon, number = name.partition(":")
    if key in PLAIN and not colon:
        return PLAIN[key]
    if key in NUMBERED:
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"{key} wants a number, as in {key}:3")
        return NUMBERED[key](int(number))
    known = [*PLAIN, *(f"{key}:K" for key in NUMBERED)]
    raise ValueError(f"unknown construction {name!r}; known are {', '.join(known)}")
