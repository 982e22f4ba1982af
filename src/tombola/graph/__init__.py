"""A target network as a small graph: affine layers, and the operations between them that have no parameters."""

from ._check_nodes import check_nodes
from ._graph import INPUT, LAYER, AffineLayer, Graph, Node, Window, is_chain, is_path, signs, traverse
from ._operation import ACTIVATIONS, operation
from ._read import SUPPORTED, evaluating, read_graph
from ._run import affine, as_filters, run
from ._streams import Streams, Units

__all__ = [
    "ACTIVATIONS",
    "INPUT",
    "LAYER",
    "SUPPORTED",
    "AffineLayer",
    "Graph",
    "Node",
    "Streams",
    "Units",
    "Window",
    "affine",
    "as_filters",
    "check_nodes",
    "evaluating",
    "is_chain",
    "is_path",
    "operation",
    "read_graph",
    "run",
    "signs",
    "traverse",
]
