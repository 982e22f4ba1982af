"""A target graph next to a ticket that has several copies of every channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tombola.effective import EffectiveMaps, target_layers
from tombola.graph import AffineLayer, Graph, Streams, Units, Window, as_filters
from tombola.rounding import gamma, upward
from tombola.ticket import Stage, Ticket

from ._compared_graph import ComparedGraph, ComparedLayer, Wide
from ._layer import TargetLayer


def wide_graph(ticket: Ticket, graph: Graph, layers: list[TargetLayer], maps: list[EffectiveMaps]) -> ComparedGraph:
    r"""The graph of a target with the effective weights of a ticket whose units are copies of channels.

    Let x be what the target's layer takes and \(y = R x + \delta\) what the ticket's takes, where R repeats channels.
    From \(A y + a\) and the repeated \(R'(W x + b)\) the difference behind the layer is \(A \delta + (A R - R' W) x +
    a - R' b\). Constants are part of a; edges from and to what is neither copy nor constant are left out, because
    nothing reads it in a ticket whose masks fit (`verification`).

    Raises:
        ValueError: if the ticket has other layers or shapes than the target.
    """
    streams, groups = Streams(graph.nodes, graph.input_shape), target_layers(ticket)
    if len(groups) != len(graph.layers):
        raise ValueError(f"the ticket has {len(groups)} layers, the target {len(graph.layers)}: it is one for another")
    pieces = [_piece(streams, *given) for given in zip(graph.layers, layers, groups, maps, strict=True)]
    relu = {layer.name for layer in graph.layers if layer.relu}
    units = streams.units({piece.layer.name: piece.made for piece in pieces}, relu)
    found = {}
    for piece in pieces:
        feed = streams.takes[piece.layer.name]
        found[piece.layer.name] = piece.pair() if streams.first(piece.layer.name) else piece.single(units[feed])
    return ComparedGraph(graph.nodes, found, graph.input_shape)


@dataclass(frozen=True, eq=False)
class _Piece:
    """One layer of both networks, float64; weights are `(units or channels, taps, inputs)`."""

    layer: AffineLayer
    target: np.ndarray
    positive: np.ndarray
    negative: np.ndarray | None
    bias: np.ndarray
    copies: np.ndarray

    @property
    def made(self) -> Units:
        """What its units are, before a ReLU: copies, constants where only biases are kept, or neither."""
        fed = self.positive.any(axis=(1, 2))
        if self.negative is not None:
            fed = fed | self.negative.any(axis=(1, 2))
        return Units(self.copies, np.where(fed | (self.copies >= 0), np.nan, self.bias))

    def pair(self) -> ComparedLayer:
        """A layer that takes the network's input."""
        used = (self.copies >= 0)[:, None, None]
        wanted = self._wanted()
        parts = [self.positive * used - wanted]
        if self.negative is not None:
            parts.append(wanted - self.negative * used)
        negative = None if self.negative is None else self._filters(self.negative * used)
        gap = torch.cat([self._filters(part) for part in parts], dim=1)
        return self._compared(self._filters(self.positive * used), negative, self.bias, gap, copied=False)

    def single(self, below: Units) -> ComparedLayer:
        """A layer that takes copies and constants."""
        if below.copies.size != self.positive.shape[2]:
            raise ValueError(f"layer {self.layer.name!r} of the ticket does not take {below.copies.size} units")
        copied, used = below.copies >= 0, (self.copies >= 0)[:, None, None]
        constants = np.where(copied, 0.0, np.nan_to_num(below.values))
        bias = self.bias + self.positive.sum(axis=1) @ constants
        weight = self.positive * copied * used
        repeating = np.zeros((copied.size, self.target.shape[2]))
        repeating[np.flatnonzero(copied), below.copies[copied]] = 1.0
        gap = weight @ repeating - self._wanted()
        worth = np.abs(self.positive).sum(axis=1) @ np.abs(constants)
        return self._compared(
            self._filters(weight), None, bias, self._filters(gap), copied=True, worth=float(worth.sum())
        )

    def _wanted(self) -> np.ndarray:
        """The target's weights, once for each copy; zeros for what is none."""
        return self.target[self.copies] * (self.copies >= 0)[:, None, None]

    def _compared(
        self,
        positive: Tensor,
        negative: Tensor | None,
        bias: np.ndarray,
        gap: Tensor,
        *,
        copied: bool,
        worth: float = 0.0,
    ) -> ComparedLayer:
        used, units = self.copies >= 0, len(self.copies)
        one = self.layer
        target_bias = np.zeros(len(one.weight)) if one.bias is None else one.bias.numpy().astype(np.float64)
        bias = np.where(used, bias, 0.0)
        bias_gap = np.where(used, bias - target_bias[self.copies], 0.0)
        moduli = float(positive.abs().sum()) + float(np.abs(self._wanted()).sum()) + worth
        moduli += float(np.abs(self.bias).sum()) + float(np.abs(target_bias[self.copies]).sum())
        rounding = gamma(positive[0].numel() + 8) * moduli * upward(positive.numel() + self.target.size)
        owner = torch.from_numpy(np.maximum(self.copies, 0))
        return ComparedLayer(
            one.weight.double(),
            torch.from_numpy(target_bias),
            positive,
            negative,
            torch.from_numpy(bias),
            one.window,
            one.relu,
            torch.zeros(units, dtype=torch.float64),
            wide=Wide(owner, gap, torch.from_numpy(bias_gap), rounding, copied),
        )

    def _filters(self, weight: np.ndarray) -> Tensor:
        """Weights as a layer has them: those of pixels of flattened images side by side."""
        if self.layer.window is None:
            return torch.from_numpy(np.ascontiguousarray(weight.transpose(0, 2, 1)).reshape(len(weight), -1))
        return as_filters(np.ascontiguousarray(weight).reshape(-1, weight.shape[2]), self.layer.window)


def _piece(
    streams: Streams, layer: AffineLayer, matrix: TargetLayer, stages: list[Stage], effective: EffectiveMaps
) -> _Piece:
    first = streams.first(layer.name)
    grain = 1 if first else streams.grains[streams.takes[layer.name]]
    copies = np.arange(len(layer.weight)) if stages[-1].copies is None else stages[-1].copies
    target = _with_taps(matrix, layer.window, grain).astype(np.float64)
    taps, inputs = target.shape[1:]
    positive, negative = effective.positive, effective.negative
    fits = positive.shape[0] == copies.size * taps and copies.max(initial=-1) < len(target)
    if not fits or effective.layer != layer.name:
        raise ValueError(
            f"the ticket has {effective.layer!r} of shape {positive.shape} where the target has {layer.name!r} of "
            f"shape {tuple(layer.weight.shape)}: it is a ticket for another target"
        )
    if first and positive.shape[1] != inputs:
        raise ValueError(f"layer {layer.name!r} of the ticket takes {positive.shape[1]} inputs, the target's {inputs}")
    shaped = [None if one is None else one.reshape(copies.size, taps, -1) for one in (positive, negative)]
    bias = np.zeros(copies.size) if effective.bias is None else effective.bias.reshape(-1, taps).sum(axis=1)
    assert shaped[0] is not None
    return _Piece(layer, target, shaped[0], shaped[1], bias, copies.astype(np.int64))


def _with_taps(matrix: TargetLayer, window: Window | None, grain: int) -> np.ndarray:
    """The target's weights as `(channels, taps, inputs)`; pixels of flattened images are taps."""
    if window is None:
        return matrix.weight.reshape(matrix.outputs, -1, grain).transpose(0, 2, 1)
    return matrix.weight.reshape(-1, window.taps, matrix.inputs)
