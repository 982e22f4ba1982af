"""Strong tickets where no target exists: a mask is searched for by gradients, the random weights stay as they are.

Every method is a function that returns a `Method`; `search` trains its scores and makes a ticket of them.
"""

from ._edge_popup import edge_popup
from ._method import Method
from ._schemes import on_kept, signed_he, with_biases
from ._search import Found, search
from ._searched import Searched

__all__ = [
    "Found",
    "Method",
    "Searched",
    "edge_popup",
    "on_kept",
    "search",
    "signed_he",
    "with_biases",
]
