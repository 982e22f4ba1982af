"""The layers of a traced network that sparse ones can stand for, and the network with some of them replaced."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ._compact import shared_modules
from ._csr import CsrLinear
from ._quads import FOUR, held
from ._semi_structured import SemiStructuredLinear, runs_semi_structured
from ._sparse_layers import SparseChain, SparseConv2d

CONTAINERS = {nn.Sequential, nn.ModuleList, nn.ModuleDict}
RELUS = {functional.relu, torch.relu, "relu"}
DENSEST = 0.5  # with more of its weights kept no layer is tried, but in one with others
OURS = {"sparse", "blocks"}  # kinds that can be joined
OTHERS = {"csr": CsrLinear, "2:4": SemiStructuredLinear}
FULLEST = 2  # numbers in bands of four rows for each that is kept; with more they are not tried


@dataclass(frozen=True, eq=False)
class Site:
    """A layer, and the ReLU behind it if nothing else takes what the layer makes.

    Attributes:
        name: of the layer.
        layer: with zeros for pruned weights.
        node: of the layer; None in a network without a graph, and then nothing is known of what is around it.
        last: of the ReLU, or of the layer.
    """

    name: str
    layer: nn.Linear | nn.Conv2d
    node: fx.Node | None = None
    last: fx.Node | None = None

    @property
    def nodes(self) -> list[fx.Node]:
        """One or two, or none."""
        return [node for node in dict.fromkeys((self.node, self.last)) if node is not None]

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
    def kinds(self) -> list[str]:
        """What can stand for it but a dense layer; blocks where they hold twice as many numbers as are kept at most."""
        if self.layer.weight.is_cuda:
            return ["2:4"]
        in_blocks = held(self.layer.weight.flatten(1), FOUR) <= FULLEST * self.kept
        return ["sparse"] + ["blocks"] * in_blocks + ["csr"] * isinstance(self.layer, nn.Linear)

    @property
    def flattening(self) -> fx.Node | None:
        """A node that flattens what only this layer takes."""
        before = self.node.all_input_nodes[0] if self.node is not None and isinstance(self.layer, nn.Linear) else None
        return before if before is not None and len(before.users) == 1 and _flattens(before) else None

    def dense(self, x: Tensor) -> Tensor:
        """What the layer and its ReLU make of inputs."""
        made = self.layer(x)
        return made.relu() if self.positive else made


Chain = tuple[Site, ...]  # linear layers one behind the other, or one convolution


def chains(module: nn.Module) -> list[Chain]:
    """The layers that can be replaced, in a graph those together that can be one.

    Args:
        module: at evaluation.
    """
    if isinstance(module, fx.GraphModule):
        found = _chains_of_graph(module, shared_modules(module))
    else:
        found = _chains_of_modules(module)
    return [chain for chain in found if any(site.is_thin for site in chain)]


def _chains_of_graph(module: fx.GraphModule, shared: set[str]) -> list[Chain]:
    modules: dict[str, nn.Module] = dict(module.named_modules())
    found: list[Chain] = []
    ends: dict[fx.Node, int] = {}  # where the chain is that ends with a node
    for node in module.graph.nodes:
        path = str(node.target)
        if node.op != "call_module" or node.kwargs or path in shared:
            continue
        if (layer := _replaceable(modules[path])) is None:
            continue
        last, before = _last(node, modules), node.args[0]
        site = Site(path, layer, node, last)
        if isinstance(layer, nn.Linear) and before in ends and len(before.users) == 1:
            at = ends.pop(before)
            found[at] = (*found[at], site)
        else:
            at = len(found)
            found.append((site,))
        if isinstance(layer, nn.Linear):
            ends[last] = at
    return found


def made(chain: Chain, kinds: Sequence[str], size: Sequence[int]) -> nn.Module:
    """The layer that stands for a chain.

    Args:
        chain: of layers.
        kinds: of each; more than one if all are ours.
        size: the shape of what goes into it.
    """
    first = chain[0]
    if kinds[0] not in OURS and isinstance(first.layer, nn.Linear):
        return OTHERS[kinds[0]](first.layer, positive=first.positive)
    blocks = [kind == "blocks" for kind in kinds]
    if isinstance(first.layer, nn.Conv2d):
        return SparseConv2d(first.layer, size[-2:], positive=first.positive, blocks=blocks[0])
    layers, positive = [site.layer for site in chain if isinstance(site.layer, nn.Linear)], [s.positive for s in chain]
    return SparseChain(layers, positive, blocks, flat=first.flattening is not None)


def replaced(module: nn.Module, layers: Iterable[tuple[Chain, nn.Module]]) -> nn.Module:
    """The network with other layers in place of chains, by the name of the first; if nothing else is left, the layer.

    Of a graph all others are the same modules, of a network without one copies.
    """
    if not isinstance(module, fx.GraphModule):
        found = copy.deepcopy(module)
        for (site,), layer in layers:
            found.set_submodule(site.name, layer)
        return found
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    graph.output(graph.graph_copy(module.graph, copies))
    found = fx.GraphModule(module, graph, type(module).__name__)
    for chain, layer in layers:
        flattening = chain[0].flattening if getattr(layer, "flat", False) else None
        inside = [node for site in chain for node in site.nodes]
        nodes = [copies[node] for node in ([flattening, *inside] if flattening else inside)]
        with graph.inserting_before(nodes[0]):
            made = graph.call_module(chain[0].name, nodes[0].args[:1])
        nodes[-1].replace_all_uses_with(made)
        for node in reversed(nodes):
            graph.erase_node(node)
        found.set_submodule(chain[0].name, layer)
        nodes = list(graph.nodes)
        if [node.op for node in nodes[1:]] == ["call_module", "output"] and nodes[2].args == (nodes[1],):
            return layer
    found.delete_all_unused_submodules()
    found.recompile()
    return found


def _replaceable(module: nn.Module) -> nn.Linear | nn.Conv2d | None:
    """The module, if there is a sparse layer for it."""
    if type(module) not in {nn.Linear, nn.Conv2d} or module._forward_hooks or module._forward_pre_hooks:
        return None
    assert isinstance(module, nn.Linear | nn.Conv2d)
    if not module.weight.isfinite().all():
        return None
    if module.weight.dtype != torch.float32 or module.weight.device.type != "cpu":
        return module if isinstance(module, nn.Linear) and runs_semi_structured(module) else None
    return module if isinstance(module, nn.Linear) or _is_plain(module) else None


def _is_plain(layer: nn.Conv2d) -> bool:
    return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _chains_of_modules(module: nn.Module) -> list[Chain]:
    """Layers whose weights no other module has, or may read: some of torch's own do, as those for attention."""
    owners = Counter(id(value) for one in module.modules() for value in one._parameters.values())
    found: list[Chain] = []
    for path, one in module.named_modules():
        around = [type(module.get_submodule(path[:end])) for end in _ends(path)]
        foreign = any(kind.__module__.startswith("torch.nn") and kind not in CONTAINERS for kind in around)
        layer = None if foreign else _replaceable(one)
        if layer is not None and owners[id(layer.weight)] == 1:
            found.append((Site(path, layer),))
    return found


def _ends(path: str) -> list[int]:
    """Where the paths of the modules end that a module is in, the outermost first."""
    return [0, *(place for place, letter in enumerate(path) if letter == ".")] if path else []


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
