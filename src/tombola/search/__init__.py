"""Strong tickets where no target exists: a mask is searched for by gradients, the random weights stay as they are.

Every method is a function that returns a `Method`; `search` trains its scores and makes a ticket of them.
"""

from ._biprop import biprop
from ._continuous_sparsification import continuous_sparsification
from ._edge_popup import edge_popup
from ._gem_miner import gem_miner
from ._iterand import iterand
from ._method import Method
from ._names import METHODS, NamedMethod
from ._occam import OccamBound, mask_bits, occam_bound
from ._schemes import on_kept, signed_he, with_biases
from ._search import Found, search
from ._searched import Searched
from ._supermask import supermask

__all__ = [
    "METHODS",
    "Found",
    "Method",
    "NamedMethod",
    "OccamBound",
    "Searched",
    "biprop",
    "continuous_sparsification",
    "edge_popup",
    "gem_miner",
    "iterand",
    "mask_bits",
    "occam_bound",
    "on_kept",
    "search",
    "signed_he",
    "supermask",
    "with_biases",
]
