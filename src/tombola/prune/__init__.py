"""Pruning before training: a criterion scores weights, an allocation says how many stay, a selection which.

The package is called as its function is: `tombola.prune(model, batches, score=..., density=0.1)`.
"""

import inspect
import sys
from types import ModuleType

from ._criteria import ALLOCATIONS, CRITERIA, Criterion, named
from ._inverted import inverted
from ._prunable import prunable
from ._prune import prune
from ._rounds import Rounds, cubic, geometric, linear

__all__ = [
    "ALLOCATIONS",
    "CRITERIA",
    "Criterion",
    "Rounds",
    "cubic",
    "geometric",
    "inverted",
    "linear",
    "named",
    "prunable",
    "prune",
]


class _Called(ModuleType):
    """A package that is a function too, whichever of the two was asked for first."""

    __call__ = staticmethod(prune)


__signature__ = inspect.signature(prune)  # of the call; by itself `inspect` would take the model for `self`
sys.modules[__name__].__class__ = _Called
