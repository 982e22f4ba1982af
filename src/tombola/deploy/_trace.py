"""A network as a graph of stock modules; what cannot be traced stays a module of its own."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp


class _Tracer(fx.Tracer):
    """Follows a forward into every module that is not torch's own, but for those whose forward it cannot follow."""

    def __init__(self, readable: dict[nn.Module, bool]) -> None:
        super().__init__()
        self.readable = readable

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is left as it is."""
        if super().is_leaf_module(m, module_qualified_name):
            return True
        if m not in self.readable:
            try:
                _Tracer(self.readable).trace(m)
                self.readable[m] = True
            except Exception as error:  # whatever a forward does with something that is no tensor
                self.readable[m] = False
                _warn(module_qualified_name, error)
        return not self.readable[m]


def traced(model: nn.Module, example: Tensor) -> fx.GraphModule | None:
    """The graph of a model at evaluation, with the shape of every result; None if it has no graph.

    Args:
        model: at evaluation. Its modules become those of the graph.
        example: a batch that it takes.
    """
    tracer = _Tracer({})
    try:
        graph = tracer.trace(model)
    except Exception as error:  # as above
        _warn("", error)
        return None
    plain = fx.Graph()  # of no tracer, so that nothing but torch is needed to unpickle it
    plain.output(plain.graph_copy(graph, {}))
    found = fx.GraphModule(model, plain, type(model).__name__)
    with torch.no_grad():
        try:  # a batch of two, in which no other size is taken for that of the batch
            ShapeProp(found).propagate(torch.cat([example, example])[: max(2, len(example))])
        except RuntimeError:  # a model for batches of one size
            ShapeProp(found).propagate(example)
    return found


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of a result, the batch included; empty if it is not one tensor."""
    shape = getattr(node.meta.get("tensor_meta"), "shape", ())
    return tuple(shape)


def _warn(path: str, error: Exception) -> None:
    line = (str(error).strip().splitlines() or ["no message"])[0]
    warnings.warn(f"{path or 'the model'} stays as it is: torch.fx cannot trace its forward ({line})", stacklevel=2)
