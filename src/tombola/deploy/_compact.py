"""A pruned network without the channels that nobody needs: smaller, dense, and the same function."""

from __future__ import annotations

import copy
import operator
from collections import Counter

import torch
from torch import Tensor, fx, nn

from tombola.masks import Masks, bake_

from ._classify import FLATTENS, Context, classify
from ._operation import Flattening, Operation
from ._trace import shape_of, traced

AGREEMENT = 1e-3  # relative, on the example; a network that differs more was not understood


def compact(model: nn.Module, masks: Masks, example: Tensor) -> nn.Module:
    """The masked network at evaluation, without units and channels that have no part in what it computes.

    A channel that no kept weight reads is dropped. One whose incoming weights are all pruned is a constant, as are its
    normalisation and activation; what it adds to the layers behind it goes into their biases, and it is dropped as
    well. Where zeros are padded a constant other than 0 looks different at the border: then the channel stays. Channels
    that are added to each other stay or go together. Weights that are zero within what stays are zeros still.

    Exact: for finite inputs outputs differ by float32 rounding only. Linear layers on the last axis, convolutions (with
    groups only if there is one for each channel), batch normalisation, pooling, activations, flattening, means over
    images, sums and concatenations are understood. Everything else stays as it is, with all channels that it takes:
    attention, recurrence, other normalisations, layers that are used twice, what torch.fx cannot trace. Cost: a trace,
    two forwards of the example, and O(parameters).

    Args:
        model: any module that takes one tensor. It is not changed.
        masks: of some of its parameters, on their devices.
        example: a batch that it takes. The result takes batches of any size if the model does.

    Returns:
        A `torch.fx.GraphModule` of stock layers at evaluation, parameters by their old names. It can be copied,
        pickled, exported, and trained on. If the model cannot be traced at all, a copy of it
        with zeros for pruned weights.

    Raises:
        ValueError: if the masks do not fit, or the result does not do on the example what the masked model does.

    Example:
        >>> net = nn.Sequential(nn.Linear(8, 100), nn.ReLU(), nn.Linear(100, 2))
        >>> masks = {"0.weight": torch.zeros(100, 8, dtype=torch.bool)}
        >>> masks["0.weight"][:3] = True
        >>> smaller = compact(net, masks, torch.zeros(1, 8))
        >>> smaller.get_submodule("0"), smaller.get_submodule("2")
        (Linear(in_features=8, out_features=3, bias=True), Linear(in_features=3, out_features=2, bias=True))
    """
    masked = copy.deepcopy(model).eval()
    bake_(masked, masks)
    found = traced(copy.deepcopy(masked), example)
    if found is None:
        return masked
    _shrink_(found)
    check_agrees(masked, found, example)
    return found


def _shrink_(module: fx.GraphModule) -> None:
    """Takes all that is not needed out of a traced network, in place."""
    operations = _operations(module)
    constants = _constants(operations)
    kept = _kept(operations, constants)
    for node, operation in operations.items():
        if node in kept:
            operation.shrink_(*_around(operation, constants), *_around(operation, kept), kept[node])
        if isinstance(operation, Flattening) and node.op != "call_module" and node.target in FLATTENS:
            node.op, node.target, node.args, node.kwargs = "call_function", torch.flatten, (node.args[0], 1), {}
    module.graph.eliminate_dead_code(lambda node: not _asks_for_shape(node))
    module.recompile()


def _operations(module: fx.GraphModule) -> dict[fx.Node, Operation]:
    """The operation of every node, in order."""
    axes: dict[fx.Node, int | None] = {}
    context = Context(dict(module.named_modules()), shared_modules(module), axes)
    found = {}
    for node in module.graph.nodes:
        found[node] = classify(node, context)
        axes[node] = found[node].axis
    return found


def shared_modules(module: fx.GraphModule) -> set[str]:
    """Paths of modules that are called more than once, or whose parameters something else uses too."""
    modules = dict(module.named_modules(remove_duplicate=False))
    calls = Counter(id(modules[str(node.target)]) for node in module.graph.nodes if node.op == "call_module")
    read = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    owners = Counter(id(value) for one in module.modules() for value in one._parameters.values() if value is not None)
    return {
        path
        for path, one in modules.items()
        if calls[id(one)] > 1
        or any(owners[id(value)] > 1 for value in one._parameters.values() if value is not None)
        or any(name.rpartition(".")[0] == path for name in read)
    }


def _constants(operations: dict[fx.Node, Operation]) -> dict[fx.Node, Tensor]:
    """The constants of every result with channels; those that are not finite count as varying."""
    found: dict[fx.Node, Tensor] = {}
    for node, operation in operations.items():
        if operation.axis is not None:
            values = operation.constants([found[one] for one in operation.reads])
            found[node] = torch.where(values.isfinite(), values, torch.nan)
            assert len(values) == shape_of(node)[operation.axis]
    return found


def _kept(operations: dict[fx.Node, Operation], constants: dict[fx.Node, Tensor]) -> dict[fx.Node, Tensor]:
    """The channels of every result that have to be there: the fewest that all demands allow, but one at least."""
    kept = {node: torch.zeros(len(values), dtype=torch.bool) for node, values in constants.items()}
    for node, operation in operations.items():
        for one in set(node.all_input_nodes) - set(operation.reads):
            if one in kept and not _reads_batch_only(node):
                kept[one][:] = True
    _settle_(operations, constants, kept)
    for one in kept.values():  # a layer without outputs is none
        one[:1] |= not one.any()
    _settle_(operations, constants, kept)
    return kept


def _settle_(
    operations: dict[fx.Node, Operation], constants: dict[fx.Node, Tensor], kept: dict[fx.Node, Tensor]
) -> None:
    """Marks more channels until every demand is met, in place."""
    before = -1
    while before != (before := sum(int(one.sum()) for one in kept.values())):
        for node in reversed(operations):
            if node in kept:
                operation = operations[node]
                operation.demand_(*_around(operation, constants), *_around(operation, kept), kept[node])


def _around(operation: Operation, values: dict[fx.Node, Tensor]) -> tuple[list[Tensor]]:
    return ([values[one] for one in operation.reads],)


def _reads_batch_only(node: fx.Node) -> bool:
    """Whether a node asks for nothing but the size of the batch."""
    whole = (node.target, node.args[1:]) in {("size", ()), (getattr, ("shape",))}
    first = all(user.target is operator.getitem and user.args[1:] == (0,) for user in node.users)
    return (node.target, node.args[1:]) == ("size", (0,)) or (whole and first)


def _asks_for_shape(node: fx.Node) -> bool:
    return node.target in {"size", getattr, operator.getitem}


def check_agrees(masked: nn.Module, found: nn.Module, example: Tensor) -> None:
    """Refuses a network that does not do on an example what the masked one does.

    Raises:
        ValueError: if outputs differ by more than rounding can explain.
    """
    with torch.no_grad():
        wanted, computed = masked(example), found(example)
    if not isinstance(wanted, Tensor) or not torch.isfinite(wanted).all():
        return
    if computed.shape != wanted.shape or (computed - wanted).abs().max() > AGREEMENT * wanted.abs().max().clamp(1e-30):
        raise ValueError(
            "the compacted model does not do what the masked one does: its forward writes into its results"
        )
