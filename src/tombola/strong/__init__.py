"""Strong lottery tickets: masks on a random network that reproduce a target network with no training."""

from ._attack import AttackResult, attack
from ._attention import AttentionTicket, attention_ticket
from ._attention_bound import attention_error_bound
from ._attention_target import AttentionTarget, MergedAttention
from ._ball import Ball
from ._box import Box
from ._certificate import Certificate, certificate
from ._compared_graph import ComparedGraph, ComparedLayer
from ._comparison import Compared, certify, compare, effective_layers, weight_errors, worst_input
from ._construct import construct, on_parent, require_met
from ._depth_leveraged import depth_leveraged
from ._effective import EffectiveLayer, output_errors
from ._encoder import EncoderTicket, encoder_ticket
from ._estimate import Estimate, estimate
from ._fixed_size import fixed_size
from ._golden_ratio import golden_ratio
from ._input_sets import InputSet, input_set_from_json
from ._layer import BuiltLayer, Parent, Recipe, TargetLayer
from ._layer_certificates import LayerCertificate, layer_certificates
from ._linear_gadget import BlindUnits, adaptive_units
from ._malach_box import malach_box
from ._malach_product import malach_product
from ._named_construction import named_construction
from ._neuron_subnetwork import NeuronSubnetwork, neuron_subnetwork, required_neurons
from ._one_extra import one_extra
from ._pensia import pensia
from ._pruned_attention import PrunedAttention
from ._recommend import Recommendation, recommend
from ._targets import target_sha256, targets
from ._tolerance import Tolerance
from ._two_layer import two_layer

__all__ = [
    "AttackResult",
    "AttentionTarget",
    "AttentionTicket",
    "Ball",
    "BlindUnits",
    "Box",
    "BuiltLayer",
    "Certificate",
    "Compared",
    "ComparedGraph",
    "ComparedLayer",
    "EffectiveLayer",
    "EncoderTicket",
    "Estimate",
    "InputSet",
    "LayerCertificate",
    "MergedAttention",
    "NeuronSubnetwork",
    "Parent",
    "PrunedAttention",
    "Recipe",
    "Recommendation",
    "TargetLayer",
    "Tolerance",
    "adaptive_units",
    "attack",
    "attention_error_bound",
    "attention_ticket",
    "certificate",
    "certify",
    "compare",
    "construct",
    "depth_leveraged",
    "effective_layers",
    "encoder_ticket",
    "estimate",
    "fixed_size",
    "golden_ratio",
    "input_set_from_json",
    "layer_certificates",
    "malach_box",
    "malach_product",
    "named_construction",
    "neuron_subnetwork",
    "on_parent",
    "one_extra",
    "output_errors",
    "pensia",
    "recommend",
    "require_met",
    "required_neurons",
    "target_sha256",
    "targets",
    "two_layer",
    "weight_errors",
    "worst_input",
]
