"""Which operation a node of a traced network is, as far as channels go."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from ._operation import (
    Affine,
    Channelwise,
    Concatenation,
    Flattening,
    Opaque,
    Operation,
    Scaling,
    Sum,
    depthwise,
    normalisation,
)
from ._trace import shape_of

CONVOLUTIONS = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
MAX_POOLS = {nn.MaxPool1d: 1, nn.MaxPool2d: 2, nn.MaxPool3d: 3, nn.AdaptiveMaxPool1d: 1, nn.AdaptiveMaxPool2d: 2}
AVG_POOLS = {nn.AvgPool1d: 1, nn.AvgPool2d: 2, nn.AvgPool3d: 3}
ADAPTIVE_POOLS = {nn.AdaptiveAvgPool1d: 1, nn.AdaptiveAvgPool2d: 2, nn.AdaptiveAvgPool3d: 3}
POOLS = MAX_POOLS | AVG_POOLS | ADAPTIVE_POOLS
ACTIVATIONS = {
    *(nn.ReLU, nn.LeakyReLU, nn.ReLU6, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.SiLU, nn.GELU, nn.ELU, nn.CELU, nn.SELU),
    *(nn.Softsign, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Mish, nn.LogSigmoid, nn.Identity, nn.Dropout),
    *(nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
}
FUNCTIONS = {
    *(functional.relu, functional.leaky_relu, functional.relu6, functional.silu, functional.gelu, functional.elu),
    *(functional.softplus, functional.softsign, functional.hardtanh, functional.hardswish, functional.mish),
    *(torch.relu, torch.tanh, torch.sigmoid, functional.tanh, functional.sigmoid, torch.square, torch.abs),
}
POOLING = {
    *(functional.max_pool1d, functional.max_pool2d, functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d),
    *(functional.avg_pool1d, functional.avg_pool2d),
}
METHODS = {"relu", "tanh", "sigmoid", "square", "abs", "contiguous"}
SUMS = {operator.add, operator.iadd, torch.add}
FLATTENS = {torch.flatten, "flatten", "view", "reshape", torch.reshape}


@dataclass(frozen=True)
class Context:
    """What nodes need to know of each other.

    Attributes:
        modules: by path.
        shared: paths of modules that are called more than once, or whose parameters something else uses.
        axes: where each result has its channels, if anything is known of them.
    """

    modules: Mapping[str, nn.Module]
    shared: set[str]
    axes: Mapping[fx.Node, int | None]


def classify(node: fx.Node, context: Context) -> Operation:
    """The operation of a node, opaque where nothing is known of it, or of what it takes."""
    if node.op == "call_module":
        return _module(node, context)
    if node.op not in {"call_function", "call_method"} or not node.args or _changes_what_others_read(node):
        return Opaque()
    if node.target in SUMS and len(node.args) == 2 and not node.kwargs:
        return _sum(node, context)
    if node.target is torch.cat:
        return _concatenation(node, context)
    if len(node.all_input_nodes) == 1 and (node.target in FUNCTIONS or node.target in METHODS):
        return _elementwise(node, context, _applied(node))
    if node.target is functional.dropout and node.kwargs.get("training", True) is False:
        return _elementwise(node, context, _as_they_are)
    if node.target in FLATTENS:
        return _flattening(node, context)
    return _averaged(node, context)


def _averaged(node: fx.Node, context: Context) -> Channelwise | Opaque:
    """A pooling that is written as a function."""
    reads = _reads(node, context, 1)
    if node.target in POOLING and reads and len(node.args) < 4 and not node.kwargs.keys() - {"stride", "kernel_size"}:
        return Channelwise(reads, 1, _as_they_are)
    if node.target in {"mean", torch.mean}:
        return _mean(node, context)
    return Opaque()


def _module(node: fx.Node, context: Context) -> Operation:
    module = context.modules[str(node.target)]
    kind, hooked = type(module), bool(module._forward_hooks or module._forward_pre_hooks)
    one = len(node.args) == 1 and isinstance(node.args[0], fx.Node) and not node.kwargs
    if not one or hooked or _changes_what_others_read(node, module):
        return Opaque()
    if kind in ACTIVATIONS:
        return _elementwise(node, context, module)
    if kind in POOLS:
        return _pool(node, context, module)
    if kind is nn.Flatten:
        return _flattening(node, context) if (module.start_dim, module.end_dim) == (1, -1) else Opaque()
    return Opaque() if str(node.target) in context.shared else _layer(node, context, module)


def _layer(node: fx.Node, context: Context, module: nn.Module) -> Operation:
    """A module with parameters that nothing else uses."""
    kind, shape = type(module), shape_of(node)
    if isinstance(module, nn.Linear) and kind is nn.Linear:
        axis = len(shape) - 1
        return Affine(_reads(node, context, axis), axis, module, ("in_features", "out_features")) if axis else Opaque()
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) and kind in CONVOLUTIONS:
        return _convolution(node, context, module)
    reads = _reads(node, context, 1)
    kept_statistics = getattr(module, "running_mean", None) is not None
    if reads and kept_statistics and isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        return normalisation(module, reads) if kind in NORMS else Opaque()
    return Opaque()


def _convolution(
    node: fx.Node, context: Context, module: nn.Conv1d | nn.Conv2d | nn.Conv3d
) -> Affine | Scaling | Opaque:
    reads = _reads(node, context, 1)
    if len(shape_of(node)) != CONVOLUTIONS[type(module)] + 2:
        return Opaque()
    if module.groups == 1:
        return Affine(reads, 1, module, ("in_channels", "out_channels"))
    one_each = module.groups == module.in_channels == module.out_channels
    return depthwise(module, reads) if one_each and reads else Opaque()


def _elementwise(node: fx.Node, context: Context, function: Callable[[Tensor], Tensor]) -> Channelwise | Opaque:
    axis = context.axes.get(node.all_input_nodes[0])
    return Opaque() if axis is None else Channelwise((node.all_input_nodes[0],), axis, function)


def _applied(node: fx.Node) -> Callable[[Tensor], Tensor]:
    """What a node does to its one tensor, which is its first argument."""
    rest, settings, target = node.args[1:], dict(node.kwargs), node.target
    if isinstance(target, str):
        return lambda x: getattr(x, target)(*rest, **settings)
    assert callable(target)
    return lambda x: target(x, *rest, **settings)


def _pool(node: fx.Node, context: Context, module: nn.Module) -> Channelwise | Opaque:
    """A pooling; a mean over zeros that were padded changes constants other than 0."""
    reads, rank = _reads(node, context, 1), POOLS[type(module)]
    if not reads or len(shape_of(node)) != rank + 2:  # with indices the result has no one shape
        return Opaque()
    padding = getattr(module, "padding", 0)
    padded = any(padding) if isinstance(padding, tuple) else bool(padding)
    averages = type(module) in AVG_POOLS
    changed = averages and padded and getattr(module, "count_include_pad", False)
    changed = changed or getattr(module, "divisor_override", None) is not None
    return Channelwise(reads, 1, _zeros_only if changed else _as_they_are)


def _mean(node: fx.Node, context: Context) -> Channelwise | Opaque:
    """The mean over all axes behind the channels."""
    given = dict(zip(("input", "dim", "keepdim"), node.args, strict=False)) | node.kwargs
    reads, source, axes = _reads(node, context, 1), given.get("input"), given.get("dim")
    if not reads or given.keys() - {"input", "dim", "keepdim"} or not isinstance(source, fx.Node):
        return Opaque()
    rank = len(shape_of(source))
    listed: list[Any] = list(axes) if isinstance(axes, list | tuple) else [axes]
    behind = all(isinstance(one, int) and one % rank > 1 for one in listed)
    return Channelwise(reads, 1, _as_they_are) if behind else Opaque()


def _sum(node: fx.Node, context: Context) -> Sum | Opaque:
    parts = [one for one in node.args if isinstance(one, fx.Node)]
    axes = {context.axes.get(one) for one in parts}
    alike = len({shape_of(one) for one in parts} | {shape_of(node)}) == 1
    if len(parts) != 2 or None in axes or len(axes) != 1 or not alike:
        return Opaque()
    return Sum(tuple(parts), axes.pop())


def _concatenation(node: fx.Node, context: Context) -> Concatenation | Opaque:
    given = dict(zip(("tensors", "dim"), node.args, strict=False)) | node.kwargs
    parts, axis = given["tensors"], given.get("dim", 0)
    nodes = [one for one in parts if isinstance(one, fx.Node)] if isinstance(parts, list | tuple) else []
    if not nodes or not isinstance(axis, int) or len(nodes) != len(node.all_input_nodes):  # each of them once
        return Opaque()
    axis %= len(shape_of(node))
    same = all(context.axes.get(one) == axis for one in nodes)
    return Concatenation(tuple(nodes), axis) if same else Opaque()


def _flattening(node: fx.Node, context: Context) -> Flattening | Opaque:
    """Whatever makes one axis of all but the batch."""
    source = node.args[0]
    if not isinstance(source, fx.Node) or context.axes.get(source) is None:
        return Opaque()
    (batch, *sizes), axis = shape_of(source), context.axes[source]
    count = torch.Size(sizes).numel()
    if shape_of(node) != (batch, count) or not axis:
        return Opaque()
    spread = torch.arange(sizes[axis - 1]).reshape(-1, *[1] * (len(sizes) - axis)).expand(sizes)
    return Flattening((source,), 1, spread.reshape(-1))


def _reads(node: fx.Node, context: Context, axis: int) -> tuple[fx.Node, ...]:
    """What a node takes, if its channels are on that axis."""
    taken = node.args[0]
    return (taken,) if isinstance(taken, fx.Node) and context.axes.get(taken) == axis else ()


def _changes_what_others_read(node: fx.Node, module: nn.Module | None = None) -> bool:
    """Whether it may write into a result that something else reads too."""
    in_place = getattr(module, "inplace", False) or node.kwargs.get("inplace", False)
    name = getattr(node.target, "__name__", str(node.target))
    in_place = in_place or name == "iadd" or (node.op == "call_method" and name.endswith("_"))
    return bool(in_place) and any(len(one.users) > 1 for one in node.all_input_nodes)


def _as_they_are(constants: Tensor) -> Tensor:
    return constants


def _zeros_only(constants: Tensor) -> Tensor:
    return torch.where(constants == 0, constants, torch.nan)
