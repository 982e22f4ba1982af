"""The family that a ticket's record describes, made again; no record makes it larger than the ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tombola.universal import Family, named_family

SIZES = {"polynomial": "degree", "fourier": "frequency", "chebyshev": "degree", "legendre": "degree", "hat": "knots"}
TYPES = {"degree": int, "frequency": int, "knots": int, "period": float, "fold": bool}


def is_known(name: str) -> bool:
    """Whether families of a name can be made from plain data."""
    return name in SIZES


def rebuilt(described: Mapping[str, Any]) -> Family:
    """The family of a record that need not be honest.

    Args:
        described: a family as `Family.to_json` gives it, of a known name.

    Raises:
        ValueError: if there is no such family, or it has another number of features than the record says. It is
            counted first, so that nothing large is made.

    Example:
        >>> rebuilt({"name": "hat", "dimension": 2, "tolerance": 1e-3, "settings": {"knots": 4}, "features": 8}).name
        'hat'
        >>> rebuilt({"name": "hat", "dimension": 2, "tolerance": 1e-3, "settings": {"knots": 10**9}, "features": 8})
        Traceback (most recent call last):
        ValueError: its record describes a hat family of more than 8 features, and says that it has 8
    """
    name, settings, features = described["name"], described["settings"], described["features"]
    wrong = [f"{key} {value!r}" for key, value in settings.items() if type(value) is not TYPES.get(key)]
    if wrong or SIZES[name] not in settings:
        raise ValueError(f"no {name} family has the settings of its record: {', '.join(wrong) or 'one is missing'}")
    found = feature_count(name, described["dimension"], settings[SIZES[name]], most=features)
    if found != features:
        more = f"more than {features:,}" if found > features else f"{found:,}"
        raise ValueError(f"its record describes a {name} family of {more} features, and says that it has {features:,}")
    with np.errstate(over="ignore", invalid="ignore"):
        return named_family(name, described["dimension"], tolerance=float(described["tolerance"]), **settings)


def feature_count(name: str, dimension: int, size: int, *, most: int) -> int:
    """How many features a family has: exactly up to `most`, otherwise a number above it.

    Of vectors of integers with j entries that are not 0, and an l1-norm of at most k, there are C(d, j) C(k, j) without
    signs, and 2^j times as many with them.

    Example:
        >>> feature_count("polynomial", 3, 2, most=100), feature_count("fourier", 2, 2, most=100)
        (9, 12)
        >>> feature_count("polynomial", 10**6, 10**6, most=100) > 100
        True
    """
    if name not in {"polynomial", "fourier"}:
        return dimension * size
    signs = 2 if name == "fourier" else 1
    total, term = 0, 1
    for j in range(1, min(dimension, size) + 1):
        term = term * signs * (dimension - j + 1) * (size - j + 1) // j**2
        total += term
        if total > most:
            break
    return total
