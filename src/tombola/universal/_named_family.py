"""Families by name, for the command line and for files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ._bases import hats, orthogonal
from ._family import Family
from ._fourier import fourier
from ._polynomial import polynomial

FAMILIES: dict[str, tuple[Callable[..., Family], tuple[str, ...]]] = {
    "polynomial": (polynomial, ("degree",)),
    "fourier": (fourier, ("frequency", "period", "fold")),
    "chebyshev": (partial(orthogonal, kind="chebyshev"), ("degree",)),
    "legendre": (partial(orthogonal, kind="legendre"), ("degree",)),
    "hat": (hats, ("knots",)),
}


def named_family(name: str, dimension: int, *, tolerance: float | None = None, **settings: Any) -> Family:  # noqa: ANN401
    """The family of a name: "polynomial", "fourier", "chebyshev", "legendre" or "hat".

    Args:
        name: of the family.
        dimension: how many inputs.
        tolerance: the largest error wanted of any feature; None: what the family takes for it.
        settings: what the family takes besides: `degree`; `frequency`, `period` and `fold`; or `knots`.

    Raises:
        ValueError: for another name, or settings that the family does not take.

    Example:
        >>> named_family("hat", 2, knots=4).features
        8
        >>> named_family("hat", 2, degree=4)
        Traceback (most recent call last):
        ValueError: the family 'hat' takes knots, got degree
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown family {name!r}; known are {', '.join(FAMILIES)}")
    make, wanted = FAMILIES[name]
    if wanted[0] not in settings or not settings.keys() <= set(wanted):
        raise ValueError(f"the family {name!r} takes {', '.join(wanted)}, got {', '.join(settings) or 'nothing'}")
    if tolerance is not None:
        settings["tolerance"] = tolerance
    return make(dimension, **settings)
