"""The layers of a traced network that sparse ones can stand for, and the network with some of them replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ._sparse_layers import SparseChain, SparseConv2d

RELUS = {functional.relu, torch.relu, "relu"}
DENSEST = 0.5  # with more of its weights kept no layer is tried, but in one with others


@dataclass(frozen=True, eq=False)
class Site:
    """A layer, and the ReLU behind it if nothing else takes what the layer makes.

    Attributes:
        name: of the layer.
        layer: with zeros for pruned weights.
        node: of the layer.
        last: of the ReLU, or of the layer.
    """

    name: str
    layer: nn.Linear | nn.Conv2d
    node: fx.Node
    last: fx.Node

    @property
    def positive(self) -> bool:
        """Whether there is a ReLU."""
        return self.last is not self.node

    @property
    def kept(self) -> int:
        """How many weights are not 0."""
        return int((self.layer.weight != 0).sum())

    @property
    def is_thin(self) -> bool:
        """Whether half of the weights or fewer are kept."""
        return self.kept <= DENSEST * self.layer.weight.numel()

    @property
    def flattening(self) -> fx.Node | None:
        """A node that flattens what only this layer takes."""
        before = self.node.all_input_nodes[0]
        found = isinstance(self.layer, nn.Linear) and len(before.users) == 1 and _flattens(before)
        return before if found else None

    def dense(self, x: Tensor) -> Tensor:
        """What the layer and its ReLU make of inputs."""
        made = self.layer(x)
        return made.relu() if self.positive else made


Chain = tuple[Site, ...]  # linear layers one behind the other, or one convolution


def chains(module: fx.GraphModule, shared: set[str]) -> list[Chain]:
    """The layers that can be replaced, those that can be one in one.

    Args:
        module: at evaluation.
        shared: paths of modules that something else uses too.
    """
    modules: dict[str, nn.Module] = dict(module.named_modules())
    found: list[Chain] = []
    ends: dict[fx.Node, int] = {}  # where the chain is that ends with a node
    for node in module.graph.nodes:
        path = str(node.target)
        if node.op != "call_module" or path in shared or not _is_replaceable(modules[path]):
            continue
        layer = modules[path]
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        site = Site(path, layer, node, _last(node, modules))
        before = node.args[0]
        if isinstance(site.layer, nn.Linear) and before in ends and len(before.users) == 1:
            at = ends.pop(before)
            found[at] = (*found[at], site)
        else:
            at = len(found)
            found.append((site,))
        if isinstance(site.layer, nn.Linear):
            ends[site.last] = at
    return [chain for chain in found if any(site.is_thin for site in chain)]


def sparse(chain: Chain, size: Sequence[int]) -> nn.Module:
    """The sparse layer for a chain.

    Args:
        chain: of layers.
        size: the shape of what goes into it.
    """
    first = chain[0]
    if isinstance(first.layer, nn.Conv2d):
        return SparseConv2d(first.layer, size[-2:], positive=first.positive)
    layers, positive = [site.layer for site in chain if isinstance(site.layer, nn.Linear)], [s.positive for s in chain]
    return SparseChain(layers, positive, flat=first.flattening is not None)


def replaced(module: fx.GraphModule, layers: Iterable[tuple[Chain, nn.Module]]) -> nn.Module:
    """The network with other layers in place of chains, by the name of the first; all others are the same modules.

    If nothing else is left, the other layer.
    """
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(module.graph, copies))
    found = fx.GraphModule(module, graph, type(module).__name__)
    for chain, layer in layers:
        flattening = [chain[0].flattening] if chain[0].flattening else []
        inside = [*flattening, *(node for site in chain for node in dict.fromkeys((site.node, site.last)))]
        nodes = [copies[node] for node in inside]
        with graph.inserting_before(nodes[0]):
            made = graph.call_module(chain[0].name, nodes[0].args[:1])
        nodes[-1].replace_all_uses_with(made)
        for node in reversed(nodes):
            graph.erase_node(node)
        found.set_submodule(chain[0].name, layer)
        if [node.op for node in graph.nodes] == ["placeholder", "call_module", "output"]:
            return layer
    found.delete_all_unused_submodules()
    found.recompile()
    return found


def _is_replaceable(module: nn.Module) -> bool:
    """Whether there is a sparse layer for a module, which might be faster."""
    if type(module) is nn.Conv2d:
        fits = module.groups == 1 and module.padding_mode == "zeros" and not isinstance(module.padding, str)
    else:
        fits = type(module) is nn.Linear
    if not fits or module._forward_hooks or module._forward_pre_hooks or nn.utils.parametrize.is_parametrized(module):
        return False
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight.dtype == torch.float32 and weight.device.type == "cpu" and bool(weight.isfinite().all())


def _flattens(node: fx.Node) -> bool:
    """Whether it makes one axis of all but that of the batch."""
    if node.op == "call_module" and node.graph.owning_module is not None:
        module = node.graph.owning_module.get_submodule(str(node.target))
        return type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1)
    return node.target is torch.flatten and node.args[1:] == (1,) and not node.kwargs


def _last(node: fx.Node, modules: dict[str, nn.Module]) -> fx.Node:
    """The ReLU behind a node, if that is all that takes it; else the node."""
    if len(node.users) != 1:
        return node
    (user,) = node.users
    relu = user.op == "call_module" and type(modules[str(user.target)]) is nn.ReLU
    relu = relu or (user.op in {"call_function", "call_method"} and user.target in RELUS)
    return user if relu else node
