"""Iterative magnitude pruning, and the controls that say what its tickets are worth."""

from ._barrier import Barrier, barrier, sign_agreement
from ._controls import reinitialised, shuffled
from ._imp import Level, Train, imp
from ._prunable import by_layer, everywhere, prunable
from ._rewind import Begin, Rewind, fine_tuning, learning_rate, reinitialisation, weights
from ._scaling_law import ScalingLaw, fit_scaling_law, prunable_to

__all__ = [
    "Barrier",
    "Begin",
    "Level",
    "Rewind",
    "ScalingLaw",
    "Train",
    "barrier",
    "by_layer",
    "everywhere",
    "fine_tuning",
    "fit_scaling_law",
    "imp",
    "learning_rate",
    "prunable",
    "prunable_to",
    "reinitialisation",
    "reinitialised",
    "shuffled",
    "sign_agreement",
    "weights",
]
