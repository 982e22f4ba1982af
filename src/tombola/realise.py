"""A ticket as a stock `nn.Module`: the masked parent, its used units only, or its effective weights."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from .effective import effective_maps, target_layers
from .ticket import Stage, Ticket, unpack

FORMS = ("masked", "sparse", "collapsed")

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


def realise(ticket: Ticket, *, form: str = "sparse") -> nn.Sequential:
    """The network of a strong ticket, as a flat sequence of stock layers.

    Args:
        ticket: a strong ticket.
        form: which of three networks that agree up to float32 rounding:
            "masked": the whole random parent, pruned weights at zero. Its size is that of the parent.
            "sparse": the same without the units that no input reaches or no output sees, their weights dense.
            "collapsed": one layer per target layer, with effective weights (rounded once to float32). For two-layer
            tickets it has the target's shape; signed inputs are split into their two parts first.

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
    if ticket.kind != "strong":
        raise ValueError(f"a ticket of kind {ticket.kind!r} belongs to an ordinary model; use ticket.masks() with it")
    modules: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    if form == "collapsed":
        _add_collapsed(modules, ticket)
    else:
        parts = [_weights(ticket, stage) for stage in ticket.stages]
        _add_stages(modules, ticket, _without_unused(parts) if form == "sparse" else parts)
    return nn.Sequential(modules)


def _add_stages(modules: OrderedDict[str, nn.Module], ticket: Ticket, parts: list[Part]) -> None:
    for stage, part in zip(ticket.stages, parts, strict=True):
        _add(modules, stage.weight, part, relu=stage.relu)


def _weights(ticket: Ticket, stage: Stage) -> Part:
    """Weight `(outputs, inputs)` and bias of one stage, pruned entries at zero."""
    weight = _masked(ticket, stage.weight)
    bias = None if stage.bias is None else _masked(ticket, stage.bias)[:, 0]
    return weight.T if ticket.tensors[stage.weight].transposed else weight, bias


def _masked(ticket: Ticket, name: str) -> np.ndarray:
    rows = ticket.tensors[name].mask.shape[0]
    return np.where(unpack(ticket.tensors[name].mask), ticket.block(name, 0, rows), np.float32(0))


def _without_unused(parts: list[Part]) -> list[Part]:
    """The stages without the units that no input or bias reaches, or that no output sees; at least one unit stays."""
    reached = [np.ones(parts[0][0].shape[1], np.bool_)]
    for weight, bias in parts:
        fed = np.asarray(weight[:, reached[-1]].any(axis=1))
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
        _add(modules, stages[0].layer, (weight, maps.bias), relu=stages[-1].relu)


def _add(modules: OrderedDict[str, nn.Module], name: str, part: Part, *, relu: bool) -> None:
    """Appends a Linear, and a ReLU where one follows, under names that nothing else has."""
    key = name.replace(".", "_")
    while key in modules or f"{key}_relu" in modules or hasattr(nn.Sequential, key):
        key += "_"
    modules[key] = _linear(*part)
    if relu:
        modules[f"{key}_relu"] = nn.ReLU()


def _linear(weight: np.ndarray, bias: np.ndarray | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(torch.from_numpy(np.ascontiguousarray(weight, np.float32)))
    if bias is not None:
        layer.bias = nn.Parameter(torch.from_numpy(np.ascontiguousarray(bias, np.float32)))
    return layer
