"""Iterative magnitude pruning, and the controls that say what its tickets are worth."""

from ._controls import reinitialised, shuffled
from ._imp import Level, Train, imp
from ._prunable import by_layer, everywhere, prunable
from ._rewind import Begin, Rewind, fine_tuning, learning_rate, reinitialisation, weights

__all__ = [
    "Begin",
    "Level",
    "Rewind",
    "Train",
    "by_layer",
    "everywhere",
    "fine_tuning",
    "imp",
    "learning_rate",
    "prunable",
    "reinitialisation",
    "reinitialised",
    "shuffled",
    "weights",
]
