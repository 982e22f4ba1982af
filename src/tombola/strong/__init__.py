"""Strong lottery tickets: masks on a random network that reproduce a target network with no training."""

from ._attack import AttackResult, attack
from ._ball import Ball
from ._box import Box
from ._certificate import Certificate, certificate
from ._compared_graph import ComparedGraph, ComparedLayer
from ._comparison import Compared, certify, compare, effective_layers, worst_input
from ._construct import construct, require_met
from ._effective import EffectiveLayer, output_errors
from ._estimate import Estimate, estimate
from ._fixed_size import fixed_size
from ._golden_ratio import golden_ratio
from ._input_sets import InputSet, input_set_from_json
from ._layer import BuiltLayer, Recipe, TargetLayer
from ._malach_box import malach_box
from ._malach_product import malach_product
from ._neuron_subnetwork import NeuronSubnetwork, neuron_subnetwork, required_neurons
from ._one_extra import one_extra
from ._pensia import pensia
from ._targets import target_sha256, targets
from ._tolerance import Tolerance
from ._two_layer import two_layer

__all__ = [
    "AttackResult",
    "Ball",
    "Box",
    "BuiltLayer",
    "Certificate",
    "Compared",
    "ComparedGraph",
    "ComparedLayer",
    "EffectiveLayer",
    "Estimate",
    "InputSet",
    "NeuronSubnetwork",
    "Recipe",
    "TargetLayer",
    "Tolerance",
    "attack",
    "certificate",
    "certify",
    "compare",
    "construct",
    "effective_layers",
    "estimate",
    "fixed_size",
    "golden_ratio",
    "input_set_from_json",
    "malach_box",
    "malach_product",
    "neuron_subnetwork",
    "one_extra",
    "output_errors",
    "pensia",
    "require_met",
    "required_neurons",
    "target_sha256",
    "targets",
    "two_layer",
    "worst_input",
]
