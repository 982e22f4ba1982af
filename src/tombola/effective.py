"""Effective weights of a ticket: what its kept edges add up to, in float64, from the masks and the source alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

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
    """

    layer: str
    positive: np.ndarray
    negative: np.ndarray | None
    bias: np.ndarray | None

    def arrays(self) -> Iterator[np.ndarray]:
        """The arrays that are there, in a fixed order."""
        yield from (array for array in (self.positive, self.negative, self.bias) if array is not None)


def target_layers(ticket: Ticket) -> list[list[Stage]]:
    """The stages of each target layer, in order: one stage, or two with hidden units between them."""
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
    """The effective maps of a strong ticket, layer by layer.

    Each entry is the sum, over hidden units in ascending order, of exact float64 products of two kept source values.

    Args:
        ticket: a strong ticket.
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
        yield (_single if len(stages) == 1 else _pair)(ticket, stages, edges)


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


def _pair(ticket: Ticket, stages: list[Stage], edges: Edges) -> EffectiveMaps:
    """Two stages with linear hidden units between them: each unit has one edge on its owner's side."""
    inner, outer = stages
    inputs, outputs = (ticket.tensors[stage.weight].mask.shape[1] for stage in stages)
    augmented = inputs + (inner.bias is not None)
    signed = is_signed(ticket, stages)
    by_input = isinstance(ticket.tensors[inner.weight].mask, OwnerMask)
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
    if ticket.kind == "strong":
        return maps_sha256(effective_maps(ticket, edges=edges))
    digest = hashlib.sha256()
    for name in ticket.tensors:
        for _, rows in kept_rows(ticket, name, edges):
            digest.update(rows.astype("<f8").tobytes())
    return digest.hexdigest()
