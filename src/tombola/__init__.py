"""Lottery tickets: sparse subnetworks of randomly initialised networks.

Names load on first use, so that `import tombola` costs little beyond importing torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import scores
    from .prune import prune
    from .random_source import Source, initialise
    from .sketch import sketch
    from .strong import Ball, Box, Tolerance, construct, one_extra, two_layer
    from .subset_sum import lightest, nearest, sparsest
    from .ticket import Ticket
    from .ticket import load_ticket as load
    from .verification import Verification, verify

_HOMES = {
    "Ball": "strong",
    "Box": "strong",
    "Source": "random_source",
    "Ticket": "ticket",
    "Tolerance": "strong",
    "Verification": "verification",
    "construct": "strong",
    "initialise": "random_source",
    "lightest": "subset_sum",
    "load": "ticket",
    "nearest": "subset_sum",
    "one_extra": "strong",
    "prune": "prune",
    "scores": "scores",
    "sketch": "sketch",
    "sparsest": "subset_sum",
    "two_layer": "strong",
    "verify": "verification",
}

__all__ = [
    "Ball",
    "Box",
    "Source",
    "Ticket",
    "Tolerance",
    "Verification",
    "construct",
    "initialise",
    "lightest",
    "load",
    "nearest",
    "one_extra",
    "prune",
    "scores",
    "sketch",
    "sparsest",
    "two_layer",
    "verify",
]


def __getattr__(name: str) -> object:
    """The public name, imported from its package now that it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tombola' has no attribute {name!r}; it has {', '.join(__all__)}")
    home = import_module(f".{_HOMES[name]}", __name__)
    if name == _HOMES[name]:  # a package, perhaps one that is called as its function is
        return home
    value = getattr(home, "load_ticket" if name == "load" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
