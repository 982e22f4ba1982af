"""Effective weights of a ticket: what its kept edges add up to, in float64, from the masks and the source alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from .activations import RELU
from .ticket import OwnerMask, Stage, Ticket

Edges = Callable[[Ticket, str, int, int], tuple[np.ndarray, np.ndarray, np.ndarray]]
ROWS = 1024  # rows of the parent that are generated at a time


@dataclass(frozen=True, eq=False)
class EffectiveMaps:
    """The affine map that one target layer has become, on the positive and on the negative part of its inputs.

    Attributes:
        layer: name of the target layer.
        positive: `(outputs, inputs)` float64, acting on max(x, 0).
        negative: the same for -max(-x, 0), or None where inputs are not negative (a one-sign ticket).
        bias: `(outputs,)` float64, or None.
        residual: `(outputs,)` float64, or None where hidden units are piecewise linear: what their curvature adds at
            most, for inputs of modulus 1; for others times the modulus to the activation's power.
    """

    layer: str
    positive: np.ndarray
    negative: np.ndarray | None
    bias: np.ndarray | None
    residual: np.ndarray | None = None

    def arrays(self) -> Iterator[np.ndarray]:
        """The arrays that are there, in a fixed order."""
        arrays = (self.positive, self.negative, self.bias, self.residual)
        yield from (array for array in arrays if array is not None)


def target_layers(ticket: Ticket) -> list[list[Stage]]:
    """The stages of each target layer, in order: one stage, or two or more with hidden units between them."""
    groups: dict[str, list[Stage]] = {}
    for stage in ticket.stages:
        groups.setdefault(stage.layer, []).append(stage)
    return list(groups.values())


def is_signed(ticket: Ticket, stages: list[Stage]) -> bool:
    """Whether a target layer was built with a sum for each sign of its inputs."""
    return bool(ticket.record.get("signed_layers", {}).get(stages[0].layer))


def kept_edges(ticket: Ticket, name: str, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and float32 values of the kept edges in the rows `start .. stop` of a tensor."""
    rows, columns = ticket.tensors[name].mask.edges(start, stop)
    return rows, columns, ticket.block(name, start, stop)[rows - start, columns]


def effective_maps(ticket: Ticket, *, edges: Edges = kept_edges) -> Iterator[EffectiveMaps]:
    """The effective maps of a strong or universal ticket, layer by layer.

    Each entry is the sum, over hidden units in ascending order, of exact float64 products of two kept source values; of
    products of more, rounded, where a layer has more than two stages.

    Args:
        ticket: a ticket with stages.
        edges: where kept edges and their values come from; default: the ticket's own source. `verify` passes its second
            opinion.

    Example:
        >>> from tombola import construct
        >>> import torch
        >>> target = torch.nn.Linear(3, 2, bias=False)
        >>> (maps,) = effective_maps(construct(target, torch.zeros(1, 3), seed=1))
        >>> error = np.abs(maps.positive - target.weight.detach().numpy()).max()
        >>> bool(error <= 0.01 * target.weight.abs().max())
        True
    """
    for stages in target_layers(ticket):
        maps = (_deep if len(stages) > 2 else _single if len(stages) == 1 else _pair)(ticket, stages, edges)
        yield maps if len(stages) > 2 else _with_own_bias(ticket, stages[-1], maps, edges)


def kept_rows(ticket: Ticket, name: str, edges: Edges) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of a tensor with pruned weights at zero, float64, a block at a time with the number of its first row."""
    height, width = ticket.tensors[name].mask.shape
    for start in range(0, height, ROWS):
        stop = min(height, start + ROWS)
        rows, columns, values = edges(ticket, name, start, stop)
        kept = np.zeros((stop - start, width))
        kept[rows - start, columns] = values
        yield start, kept


def _single(ticket: Ticket, stages: list[Stage], edges: Edges) -> EffectiveMaps:
    name = stages[0].weight
    matrix = np.zeros(ticket.tensors[name].mask.shape)
    for start, rows in kept_rows(ticket, name, edges):
        matrix[start : start + len(rows)] = rows
    oriented = matrix.T if ticket.tensors[name].transposed else matrix
    return EffectiveMaps(stages[0].layer, np.ascontiguousarray(oriented), None, None)


def _with_own_bias(ticket: Ticket, stage: Stage, maps: EffectiveMaps, edges: Edges) -> EffectiveMaps:
    """The maps with the biases of the last stage, each on the first of the rows that belong to its unit."""
    if stage.bias is None:
        return maps
    height, outputs = ticket.tensors[stage.bias].mask.shape[0], len(maps.positive)
    bias = np.zeros(outputs) if maps.bias is None else maps.bias.copy()
    rows, _, values = edges(ticket, stage.bias, 0, height)
    bias[rows * (outputs // height)] += values
    return replace(maps, bias=bias)


def _pair(ticket: Ticket, stages: list[Stage], edges: Edges) -> EffectiveMaps:
    """Two stages with linear hidden units between them: each unit has one edge on its owner's side."""
    inner, outer = stages
    inputs, outputs = (ticket.tensors[stage.weight].mask.shape[1] for stage in stages)
    augmented = inputs + (inner.bias is not None)
    signed = is_signed(ticket, stages)
    by_input = isinstance(ticket.tensors[inner.weight].mask, OwnerMask)
    if inner.activation != RELU:
        return _gated(ticket, stages, edges)
    if by_input:
        owners, factors = _owners(ticket, inner.weight, inner.bias, edges)
        sums, rows = np.zeros((1 + signed, augmented, outputs)), kept_rows(ticket, outer.weight, edges)
    else:
        owners, factors = _owners(ticket, outer.weight, None, edges)
        sums, rows = np.zeros((1 + signed, outputs, augmented)), _augmented_rows(ticket, inner, edges)
    for start, block in rows:
        for unit in np.flatnonzero(owners[start : start + len(block)] >= 0):
            factor = factors[start + unit]
            sums[int(signed and factor < 0), owners[start + unit]] += factor * block[unit]
    return _split(inner.layer, sums.transpose(0, 2, 1) if by_input else sums, inputs)


def _gated(ticket: Ticket, stages: list[Stage], edges: Edges) -> EffectiveMaps:
    """A pair whose hidden units have another activation than ReLU, by its slopes, offset and curvature at 0."""
    inner, outer = stages
    act, signed = inner.activation, is_signed(ticket, stages)
    inputs, outputs = (ticket.tensors[stage.weight].mask.shape[1] for stage in stages)
    owners, factors = _owners(ticket, inner.weight, inner.bias, edges)
    if act.offset:
        owners[owners < 0] = inputs  # a unit without any edge is a constant, too
    constants = act(torch.from_numpy(factors)).numpy()
    weights, bias, residual = np.zeros((2, inputs, outputs)), np.zeros(outputs), np.zeros(outputs)
    for start, block in kept_rows(ticket, outer.weight, edges):
        for unit in np.flatnonzero(block.any(axis=1)):
            owner, factor = owners[start + unit], factors[start + unit]
            if owner == inputs:
                bias += constants[start + unit] * block[unit]
            elif owner >= 0:
                slopes = (act.above, act.below) if factor > 0 else (act.below, act.above)
                weights[:, owner] += np.outer(slopes, factor * block[unit])
                bias += act.offset * block[unit]
                residual += act.curvature * abs(factor) ** act.power * np.abs(block[unit])
    positive, negative = (np.ascontiguousarray(path.T) for path in weights)
    return EffectiveMaps(
        inner.layer,
        positive,
        negative if signed else None,
        bias if inner.bias is not None or act.offset else None,
        None if act.exact else residual,
    )


def _deep(ticket: Ticket, stages: list[Stage], edges: Edges) -> EffectiveMaps:
    """More than two stages, whose hidden units are never negative: the product of their matrices."""
    *_, product = stage_maps(ticket, stages, edges)
    return _split(stages[0].layer, product[None], ticket.tensors[stages[0].weight].mask.shape[1])


def stage_maps(ticket: Ticket, stages: list[Stage], edges: Edges) -> Iterator[np.ndarray]:
    """What the units of each stage are made of where no ReLU cuts anything off: `(units, inputs [+ 1])` float64.

    The last column is the constant that the biases of the first stage make. Sums go over the units of the stage before
    in ascending order, so that they are the same on every machine.

    Args:
        ticket: a strong ticket.
        stages: of one target layer; all but the first have transposed weights and no bias.
        edges: where kept edges and their values come from.
    """
    before = np.concatenate([block for _, block in _augmented_rows(ticket, stages[0], edges)])
    yield before
    for stage in stages[1:]:
        total = np.zeros((ticket.tensors[stage.weight].mask.shape[1], before.shape[1]))
        for start, block in kept_rows(ticket, stage.weight, edges):
            for unit in np.flatnonzero(block.any(axis=1)):
                columns, inputs = np.flatnonzero(block[unit]), np.flatnonzero(before[start + unit])
                total[np.ix_(columns, inputs)] += np.outer(block[unit, columns], before[start + unit, inputs])
        before = total
        yield before


def _split(layer: str, sums: np.ndarray, inputs: int) -> EffectiveMaps:
    """The maps in sums `(paths, outputs, inputs [+ 1])`: of the positive path, of the negative one, and the bias."""
    weights = [np.ascontiguousarray(total[:, :inputs]) for total in sums]
    bias = sums[0][:, inputs].copy() if sums.shape[2] > inputs else None
    return EffectiveMaps(layer, weights[0], weights[1] if len(weights) > 1 else None, bias)


def _owners(ticket: Ticket, name: str, bias: str | None, edges: Edges) -> tuple[np.ndarray, np.ndarray]:
    """The port that owns each unit (-1: nobody) and the value of its edge, float64."""
    height, width = ticket.tensors[name].mask.shape
    owners, factors = np.full(height, -1, np.int64), np.zeros(height)
    for port, tensor in ((None, name), (width, bias)):
        if tensor is not None:
            for start in range(0, height, ROWS):
                rows, columns, values = edges(ticket, tensor, start, min(height, start + ROWS))
                owners[rows], factors[rows] = (columns if port is None else port), values
    return owners, factors


def _augmented_rows(ticket: Ticket, stage: Stage, edges: Edges) -> Iterator[tuple[int, np.ndarray]]:
    """The input edges of hidden units as `kept_rows` gives them, with the units' biases as a last column."""
    for start, block in kept_rows(ticket, stage.weight, edges):
        if stage.bias is None:
            yield start, block
            continue
        bias = np.zeros((len(block), 1))
        rows, columns, values = edges(ticket, stage.bias, start, start + len(block))
        bias[rows - start, columns] = values
        yield start, np.concatenate([block, bias], axis=1)


def maps_sha256(maps: Iterable[EffectiveMaps]) -> str:
    """SHA-256 over effective weights, float64 little-endian, layer by layer."""
    digest = hashlib.sha256()
    for effective in maps:
        for array in effective.arrays():
            digest.update(array.astype("<f8").tobytes())
    return digest.hexdigest()


def effective_sha256(ticket: Ticket, *, edges: Edges = kept_edges) -> str:
    """SHA-256 over the weights that a ticket stands for: sums of kept products, or masked values."""
    if ticket.stages:
        return maps_sha256(effective_maps(ticket, edges=edges))
    digest = hashlib.sha256()
    for name in ticket.tensors:
        for _, rows in kept_rows(ticket, name, edges):
            digest.update(rows.astype("<f8").tobytes())
    return digest.hexdigest()
