"""Strong lottery tickets: masks on a random network that reproduce a target network with no training."""

from ._attack import AttackResult, attack
from ._ball import Ball
from ._box import Box
from ._certificate import Certificate, certificate
from ._comparison import effective_layers
from ._construct import construct, require_met, target_sha256, targets
from ._effective import EffectiveLayer, output_errors
from ._estimate import Estimate, estimate
from ._input_sets import InputSet, input_set_from_json
from ._layer import BuiltLayer, Recipe, TargetLayer
from ._one_extra import one_extra
from ._tolerance import Tolerance
from ._two_layer import two_layer

__all__ = [
    "AttackResult",
    "Ball",
    "Box",
    "BuiltLayer",
    "Certificate",
    "EffectiveLayer",
    "Estimate",
    "InputSet",
    "Recipe",
    "TargetLayer",
    "Tolerance",
    "attack",
    "certificate",
    "construct",
    "effective_layers",
    "estimate",
    "input_set_from_json",
    "one_extra",
    "output_errors",
    "require_met",
    "target_sha256",
    "targets",
    "two_layer",
]
