"""Iterative magnitude pruning, and the controls that say what its tickets are worth."""

from ._barrier import Barrier, barrier, sign_agreement
from ._controls import reinitialised, shuffled
from ._cyclic import cyclic, sculpt
from ._early_bird import EarlyBird, early_bird, is_early_bird, largest_channels, largest_weights
from ._imp import Level, imp
from ._instability import Instability, StabilityPoint, instability, stability_point
from ._joint_scaling_law import JointScalingLaw, fit_joint_scaling_law
from ._mask_distance import hamming_distance, mask_distance
from ._prunable import by_layer, everywhere, prunable
from ._rewind import Begin, Rewind, fine_tuning, learning_rate, reinitialisation, weights
from ._scaling_law import ScalingLaw, fit_scaling_law, prunable_to

__all__ = [
    "Barrier",
    "Begin",
    "EarlyBird",
    "Instability",
    "JointScalingLaw",
    "Level",
    "Rewind",
    "ScalingLaw",
    "StabilityPoint",
    "barrier",
    "by_layer",
    "cyclic",
    "early_bird",
    "everywhere",
    "fine_tuning",
    "fit_joint_scaling_law",
    "fit_scaling_law",
    "hamming_distance",
    "imp",
    "instability",
    "is_early_bird",
    "largest_channels",
    "largest_weights",
    "learning_rate",
    "mask_distance",
    "prunable",
    "prunable_to",
    "reinitialisation",
    "reinitialised",
    "sculpt",
    "shuffled",
    "sign_agreement",
    "stability_point",
    "weights",
]
