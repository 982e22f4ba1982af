"""A ticket as a stock `nn.Module`: the masked parent, its used units only, or its effective weights."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor, nn

from .effective import effective_maps, target_layers
from .ticket import Stage, Ticket, unpack

FORMS = ("masked", "sparse", "collapsed")


class SplitSigns(nn.Module):
    """`(n, d)` to `(n, 2 d)`: the positive parts of the inputs, then the magnitudes of the negative ones."""

    def forward(self, x: Tensor) -> Tensor:
        """Both parts, side by side."""
        return torch.cat([x.relu(), (-x).relu()], dim=1)


def realise(ticket: Ticket, *, form: str = "sparse") -> nn.Sequential:
    """The network of a strong ticket, as a flat sequence of stock layers.

    Args:
        ticket: a strong ticket.
        form: which of three networks that agree up to float32 rounding:
            "masked": the whole random parent, pruned weights at zero. Its size is that of the parent.
            "sparse": the same without the units that keep no edge, their weights dense.
            "collapsed": one layer per target layer, with effective weights (rounded once to float32). For two-layer
            tickets it has the target's shape; signed inputs are split into their two parts first.

    Raises:
        ValueError: for another form, or a ticket of another kind.
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
    if ticket.kind != "strong":
        raise ValueError(f"a ticket of kind {ticket.kind!r} belongs to an ordinary model; use ticket.masks() with it")
    modules: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    return nn.Sequential(modules | (_collapsed(ticket) if form == "collapsed" else _stages(ticket, form == "sparse")))


def _stages(ticket: Ticket, only_used: bool) -> OrderedDict[str, nn.Module]:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    parts = [_weights(ticket, stage) for stage in ticket.stages]
    kept = _used_units(parts) if only_used else [None] * (len(parts) + 1)
    for number, (stage, (weight, bias)) in enumerate(zip(ticket.stages, parts, strict=True)):
        rows, columns = kept[number + 1], kept[number]
        weight = weight if columns is None else weight[:, columns]
        name = stage.weight.replace(".", "_")
        modules[name] = _linear(weight if rows is None else weight[rows], bias if bias is None or rows is None else bias[rows])
        if stage.relu:
            modules[f"{name}_relu"] = nn.ReLU()
    return modules


def _weights(ticket: Ticket, stage: Stage) -> tuple[np.ndarray, np.ndarray | None]:
    """Weight `(outputs, inputs)` and bias of one stage, pruned entries at zero."""
    weight = _masked(ticket, stage.weight)
    bias = None if stage.bias is None else _masked(ticket, stage.bias)[:, 0]
    return weight.T if ticket.tensors[stage.weight].transposed else weight, bias


def _masked(ticket: Ticket, name: str) -> np.ndarray:
    rows = ticket.tensors[name].mask.shape[0]
    return np.where(unpack(ticket.tensors[name].mask), ticket.block(name, 0, rows), np.float32(0))


def _used_units(parts: list[tuple[np.ndarray, np.ndarray | None]]) -> list[np.ndarray | None]:
    """The units between stages that both take something in and pass something on; None before the first and last."""
    used: list[np.ndarray | None] = [None]
    for (weight, bias), (following, _) in zip(parts, parts[1:], strict=False):
        fed = weight.any(axis=1) | (False if bias is None else bias != 0)
        used.append(np.flatnonzero(fed & following.any(axis=0)))
    return [*used, None]


def _collapsed(ticket: Ticket) -> OrderedDict[str, nn.Module]:
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for stages, maps in zip(target_layers(ticket), effective_maps(ticket), strict=True):
        weight, name = maps.positive, stages[0].layer.replace(".", "_")
        if maps.negative is not None:
            modules["signs"] = SplitSigns()
            weight = np.concatenate([maps.positive, -maps.negative], axis=1)
        modules[name] = _linear(weight, maps.bias)
        if stages[-1].relu:
            modules[f"{name}_relu"] = nn.ReLU()
    return modules


def _linear(weight: np.ndarray, bias: np.ndarray | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(torch.from_numpy(np.ascontiguousarray(weight, np.float32)))
    if bias is not None:
        layer.bias = nn.Parameter(torch.from_numpy(np.ascontiguousarray(bias, np.float32)))
    return layer
