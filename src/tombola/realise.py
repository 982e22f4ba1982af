"""A ticket as a stock `nn.Module`: the masked parent, its used units only, or its effective weights.

A universal ticket has blocks: functions of one variable, the same for every coordinate. Such a block is a chain of
convolutions with one tap, so that its parameters do not grow with the number of coordinates.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, fx, nn

from .effective import EffectiveMaps, effective_maps, target_layers
from .graph import INPUT, LAYER, Window, as_filters, is_path, operation
from .ticket import Stage, Ticket, TicketGraph, ticket_graph, unpack

FORMS = ("masked", "sparse", "collapsed")
POINT = Window((1,), (1,), (0,), (1,))  # of a layer that takes each coordinate alone

Named = tuple[str, nn.Module]
Part = tuple[np.ndarray, np.ndarray | None]  # the weight (outputs, inputs) of a stage, and its bias


class SplitSigns(nn.Module):
    """`(n, d)` to `(n, 2 d)`: the positive parts of the inputs, then the magnitudes of the negative ones.

    Example:
        >>> SplitSigns()(torch.tensor([[3.0, -4.0]])).tolist()
        [[3.0, 0.0, 0.0, 4.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        """Both parts, side by side."""
        return torch.cat([x.relu(), (-x).relu()], dim=1)


def realise(ticket: Ticket, *, form: str = "sparse") -> nn.Module:
    """The network of a strong or universal ticket, as a flat sequence of stock layers, or a graph where it branches.

    That of a universal ticket takes inputs `(n, d)` in `[0, 1]` to features `(n, k)`, in the order of `Family.exact`.
    Unlike `Features` it does not move inputs into the box.

    Args:
        ticket: a strong or universal ticket.
        form: which of three networks that agree up to float32 rounding:
            "masked": the whole random parent, pruned weights at zero. Its size is that of the parent.
            "sparse": the same without the units that no input reaches or no output sees, their weights dense.
            "collapsed": one layer per target layer, with effective weights (rounded once to float32). For two-layer
            tickets it has the target's shape; signed inputs are split into their two parts first. For universal ones
            layers are those of the feature network: used knots, their values, affine maps.

    Raises:
        ValueError: for another form, or a ticket of another kind.

    Example:
        >>> from tombola import construct
        >>> ticket = construct(nn.Linear(4, 2), torch.zeros(1, 4), seed=3)
        >>> outputs = [realise(ticket, form=form)(torch.ones(1, 4)).detach() for form in FORMS]
        >>> max(float((output - outputs[0]).abs().max()) for output in outputs) < 1e-5
        True
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    if ticket.kind == "universal":
        return _feature_module(ticket, form)
    if ticket.kind != "strong":
        raise ValueError(f"a ticket of kind {ticket.kind!r} belongs to an ordinary model; use ticket.masks() with it")
    graph = ticket_graph(ticket)
    if not graph.dense:
        return _graph_module(ticket, graph, form)
    modules: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    if form == "collapsed":
        _add_collapsed(modules, ticket)
    else:
        parts = [_weights(ticket, stage) for stage in ticket.stages]
        _add_stages(modules, ticket, _without_unused(ticket.stages, parts) if form == "sparse" else parts)
    return nn.Sequential(modules)


def _feature_module(ticket: Ticket, form: str) -> nn.Sequential:
    """The steps of a universal ticket: affine maps on `(n, width)`, blocks on `(n, channels, width)`."""
    maps = {one.layer: one for one in effective_maps(ticket)} if form == "collapsed" else {}
    groups, width = iter(target_layers(ticket)), ticket.record["family"]["dimension"]
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    shared = False  # whether what comes in has an axis for channels
    for step in ticket.record["steps"]:
        name, block = step["name"], step["kind"] == "block"
        if block and not shared:
            modules[_free_key(modules, f"to.{name}")] = nn.Unflatten(1, (1, width))
        elif shared and not block:
            modules[_free_key(modules, f"to.{name}")] = nn.Flatten()
        own = [next(groups)]
        while own[-1][0].layer != (f"{name}.values" if block else name):
            own.append(next(groups))
        for key, part, relu in _step_parts(ticket, own, maps, used_only=form == "sparse"):
            _add(modules, key, part, follows=nn.ReLU() if relu else None, window=POINT if block else None)
        width, shared = (width * step["channels"] if block else step["outputs"]), block
    if shared:
        modules[_free_key(modules, "features")] = nn.Flatten()
    return nn.Sequential(modules)


def _step_parts(
    ticket: Ticket, groups: list[list[Stage]], maps: dict[str, EffectiveMaps], *, used_only: bool
) -> list[tuple[str, Part, bool]]:
    """The layers of one step: effective ones where there are maps, else its stages; and whether a ReLU follows."""
    if maps:
        stages = [group[-1] for group in groups]
        parts = [(maps[stage.layer].positive, maps[stage.layer].bias) for stage in stages]
    else:
        stages = [stage for group in groups for stage in group]
        parts = [_weights(ticket, stage) for stage in stages]
    if maps or used_only:
        parts = _without_unused(stages, parts)
    names = [stage.layer if maps else stage.weight for stage in stages]
    return [(name, part, stage.relu) for name, part, stage in zip(names, parts, stages, strict=True)]


def _graph_module(ticket: Ticket, graph: TicketGraph, form: str) -> nn.Module:
    """A network with convolutions, pooling or branches: a sequence of modules where it is one, else a graph of them."""
    maps = {one.layer: one for one in effective_maps(ticket)} if form == "collapsed" else {}
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    traced, results = fx.Graph(), {}
    results[INPUT] = traced.placeholder("x")
    stages = {group[0].layer: group for group in target_layers(ticket)}
    for node in graph.nodes:
        if node.op == LAYER:
            window = graph.windows[node.name]
            if form == "collapsed":
                parts = _collapsed(maps[node.name], stages[node.name], window)
            else:
                make = _single if len(stages[node.name]) == 1 else _pair
                parts = make(ticket, stages[node.name], window, used_only=form == "sparse")
        else:
            parts = [(node.name, operation(node))]
        taken = [results[name] for name in node.inputs]
        for name, module in parts:
            key = _free_key(modules, name)
            modules[key] = module
            taken = [traced.call_module(key, tuple(taken))]
        results[node.name] = taken[0]
    if is_path(graph.nodes):
        return nn.Sequential(modules)
    traced.output(results[graph.nodes[-1].name])
    return fx.GraphModule(dict(modules), traced)


def _pair(ticket: Ticket, stages: list[Stage], window: Window | None, *, used_only: bool) -> list[Named]:
    """The two stages of a layer, a ReLU between them and one behind where there is one."""
    inner, outer = (_weights(ticket, stage) for stage in stages)
    if used_only:
        inner, (weight, _) = _without_unused(stages, [inner, (outer[0], None)])
        outer = weight, outer[1]
    point = None if window is None else Window(*[(size,) * len(window.kernel) for size in (1, 1, 0, 1)])
    names = [stage.weight for stage in stages]
    made = [
        (names[0], _affine_module(torch.from_numpy(inner[0]), inner[1], point)),
        (f"{names[0]}_{stages[0].activation.name}", stages[0].activation.module()),
        (names[1], _affine_module(as_filters(outer[0], window), outer[1], window)),
    ]
    return [*made, (f"{names[1]}_relu", nn.ReLU())] if stages[1].relu else made


def _single(ticket: Ticket, stages: list[Stage], window: Window | None, *, used_only: bool) -> list[Named]:
    """The one stage of a layer on copies of channels, all of which stay, and a ReLU behind where there is one."""
    (stage,) = stages
    assert stage.copies is not None
    weight, bias = _weights(ticket, stage)
    made = [(stage.weight, _affine_module(as_units(weight, stage.copies.size, window), bias, window))]
    return [*made, (f"{stage.weight}_relu", nn.ReLU())] if stage.relu else made


def as_units(matrix: np.ndarray, units: int, window: Window | None) -> Tensor:
    """The rows `(units * taps, inputs)` of a layer as weights of it; without a window taps are flattened pixels.

    Example:
        >>> as_units(np.array([[1, 2], [3, 4], [5, 6], [7, 8]]), 2, None).tolist()
        [[1, 3, 2, 4], [5, 7, 6, 8]]
    """
    if window is not None:
        return as_filters(matrix, window)
    taps = len(matrix) // units
    return torch.from_numpy(np.ascontiguousarray(matrix.reshape(units, taps, -1).transpose(0, 2, 1)).reshape(units, -1))


def _collapsed(maps: EffectiveMaps, stages: list[Stage], window: Window | None) -> list[Named]:
    """One layer with the effective weights; behind a split of the inputs where these have two signs."""
    weight, made = maps.positive, []
    if maps.negative is not None:
        made.append((f"{maps.layer}_signs", SplitSigns()))
        weight = np.concatenate([maps.positive, -maps.negative], axis=1)
    units = len(weight) // (1 if window is None else window.taps)
    if stages[-1].copies is not None:
        units = stages[-1].copies.size
    bias = None if maps.bias is None else maps.bias.reshape(units, -1).sum(axis=1)
    made.append((maps.layer, _affine_module(as_units(weight, units, window), bias, window)))
    return [*made, (f"{maps.layer}_relu", nn.ReLU())] if stages[-1].relu else made


def _affine_module(weight: Tensor, bias: np.ndarray | None, window: Window | None) -> nn.Module:
    """A Linear, or the convolution of a window."""
    if window is None:
        return _linear(weight.numpy(), bias)
    filters = weight.reshape(*weight.shape[:2], *window.kernel).float().contiguous()
    kind = nn.Conv1d if len(window.kernel) == 1 else nn.Conv2d
    layer = kind(
        filters.shape[1],
        filters.shape[0],
        window.kernel,  # pyright: ignore[reportArgumentType] - one or two numbers, as the kind has axes
        window.stride,  # pyright: ignore[reportArgumentType]
        window.padding,  # pyright: ignore[reportArgumentType]
        window.dilation,  # pyright: ignore[reportArgumentType]
        bias=bias is not None,
        device="meta",
    )
    layer.weight = nn.Parameter(filters)
    if bias is not None:
        layer.bias = nn.Parameter(torch.from_numpy(np.ascontiguousarray(bias, np.float32)))
    return layer


def _add_stages(modules: OrderedDict[str, nn.Module], ticket: Ticket, parts: list[Part]) -> None:
    for stage, part in zip(ticket.stages, parts, strict=True):
        _add(modules, stage.weight, part, follows=stage.activation.module() if stage.relu else None)


def _weights(ticket: Ticket, stage: Stage) -> Part:
    """Weight `(outputs, inputs)` and bias of one stage, pruned entries at zero."""
    weight = _masked(ticket, stage.weight)
    bias = None if stage.bias is None else _masked(ticket, stage.bias)[:, 0]
    return weight.T if ticket.tensors[stage.weight].transposed else weight, bias


def _masked(ticket: Ticket, name: str) -> np.ndarray:
    rows = ticket.tensors[name].mask.shape[0]
    return np.where(unpack(ticket.tensors[name].mask), ticket.block(name, 0, rows), np.float32(0))


def _without_unused(stages: Sequence[Stage], parts: list[Part]) -> list[Part]:
    """The stages without the units that no input or bias reaches, or that no output sees; at least one unit stays."""
    reached = [np.ones(parts[0][0].shape[1], np.bool_)]
    for stage, (weight, bias) in zip(stages, parts, strict=True):
        fed = np.asarray(weight[:, reached[-1]].any(axis=1)) | (stage.activation.offset != 0)  # those are not 0 at 0
        reached.append(fed if bias is None else np.logical_or(fed, bias != 0))
    reached[-1][:] = True  # outputs are what the network is for
    for k in range(len(parts) - 1, 0, -1):
        reached[k] &= parts[k][0][reached[k + 1]].any(axis=0)
        reached[k][:1] |= not reached[k].any()
    reached[0][:] = True
    return [
        (weight[np.ix_(reached[k + 1], reached[k])], None if bias is None else bias[reached[k + 1]])
        for k, (weight, bias) in enumerate(parts)
    ]


def _add_collapsed(modules: OrderedDict[str, nn.Module], ticket: Ticket) -> None:
    for stages, maps in zip(target_layers(ticket), effective_maps(ticket), strict=True):
        weight = maps.positive
        if maps.negative is not None:
            modules["signs"] = SplitSigns()
            weight = np.concatenate([maps.positive, -maps.negative], axis=1)
        _add(modules, stages[0].layer, (weight, maps.bias), follows=nn.ReLU() if stages[-1].relu else None)


def _add(
    modules: OrderedDict[str, nn.Module],
    name: str,
    part: Part,
    *,
    follows: nn.Module | None,
    window: Window | None = None,
) -> None:
    """Appends a Linear or a convolution, and what follows it, under names that nothing else has."""
    key = _free_key(modules, name)
    modules[key] = _affine_module(torch.from_numpy(np.ascontiguousarray(part[0])), part[1], window)
    if follows is not None:
        modules[f"{key}_{type(follows).__name__.lower()}"] = follows


def _free_key(modules: OrderedDict[str, nn.Module], name: str) -> str:
    """A name that nothing else has, nor an attribute of a sequence."""
    key = name.replace(".", "_").replace("@", "_").replace("*", "_")
    while key in modules or any(one.startswith(f"{key}_") for one in modules) or hasattr(nn.Sequential, key):
        key += "_"
    return key


def _linear(weight: np.ndarray, bias: np.ndarray | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(torch.from_numpy(np.ascontiguousarray(weight, np.float32)))
    if bias is not None:
        layer.bias = nn.Parameter(torch.from_numpy(np.ascontiguousarray(bias, np.float32)))
    return layer
