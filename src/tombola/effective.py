"""Effective weights of a ticket: what its kept edges add up to, in float64, from the masks and the source alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from .ticket import OwnerMask, Stage, Ticket

Block = Callable[[str, int, int], np.ndarray]
ROWS = 1024  # rows of the parent that are generated at a time


@dataclass(frozen=True)
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


def effective_maps(ticket: Ticket, *, block: Block | None = None) -> Iterator[EffectiveMaps]:
    """The effective maps of a strong ticket, layer by layer.

    Each entry is the sum, over hidden units in ascending order, of exact float64 products of two kept source values.

    Args:
        ticket: a strong ticket.
        block: where values come from; default: the ticket's own source. `verify` passes its second opinion.
    """
    for stages in target_layers(ticket):
        yield _single(ticket, stages[0], block or ticket.block) if len(stages) == 1 else _pair(
            ticket, stages, block or ticket.block
        )


def kept_rows(ticket: Ticket, name: str, block: Block) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of a tensor with pruned weights at zero, float64, a block at a time with the number of its first row."""
    tensor = ticket.tensors[name]
    rows, columns = tensor.mask.shape
    for start in range(0, rows, ROWS):
        stop = min(rows, start + ROWS)
        where = tensor.mask.edges(start, stop)
        kept = np.zeros((stop - start, columns))
        local = (where[0] - start, where[1])
        kept[local] = block(name, start, stop)[local]
        yield start, kept


def _single(ticket: Ticket, stage: Stage, block: Block) -> EffectiveMaps:
    matrix = np.concatenate([rows for _, rows in kept_rows(ticket, stage.weight, block)])
    oriented = matrix.T if ticket.tensors[stage.weight].transposed else matrix
    return EffectiveMaps(stage.layer, np.ascontiguousarray(oriented), None, None)


def _pair(ticket: Ticket, stages: list[Stage], block: Block) -> EffectiveMaps:
    """Two stages with linear hidden units between them: each unit has one edge on its owner's side."""
    inner, outer = ticket.tensors[stages[0].weight], ticket.tensors[stages[1].weight]
    by_input = isinstance(inner.mask, OwnerMask)
    owned_name, dense_name = (stages[0].weight, stages[1].weight) if by_input else (stages[1].weight, stages[0].weight)
    inputs, outputs = inner.mask.shape[1], outer.mask.shape[1]
    bias_name = stages[0].bias
    ports = inputs + (bias_name is not None) if by_input else outputs
    width = outputs if by_input else inputs + (bias_name is not None)
    signed = bool(ticket.record.get("signed_layers", {}).get(stages[0].layer))
    sums = [np.zeros((ports, width)) for _ in range(1 + signed)]
    owners, factors = _owners(ticket, owned_name, bias_name if by_input else None, block)
    for start, rows in kept_rows(ticket, dense_name, block):
        if not by_input and bias_name is not None:
            rows = np.concatenate([rows, _column(ticket, bias_name, start, start + len(rows), block)[:, None]], axis=1)
        for unit in np.flatnonzero(owners[start : start + len(rows)] >= 0):
            path = sums[int(signed and factors[start + unit] < 0)]
            path[owners[start + unit]] += factors[start + unit] * rows[unit]
    return _oriented(stages[0].layer, sums, by_input, inputs)


def _oriented(layer: str, sums: list[np.ndarray], by_input: bool, inputs: int) -> EffectiveMaps:
    full = [total.T if by_input else total for total in sums]
    bias = full[0][:, inputs].copy() if full[0].shape[1] > inputs else None
    negative = np.ascontiguousarray(full[1][:, :inputs]) if len(full) > 1 else None
    return EffectiveMaps(layer, np.ascontiguousarray(full[0][:, :inputs]), negative, bias)


def _owners(ticket: Ticket, name: str, bias: str | None, block: Block) -> tuple[np.ndarray, np.ndarray]:
    """The port that owns each unit (-1: nobody) and the value of its edge, float64."""
    mask = ticket.tensors[name].mask
    owners, factors = np.full(mask.shape[0], -1, np.int64), np.zeros(mask.shape[0])
    for start in range(0, mask.shape[0], ROWS):
        stop = min(mask.shape[0], start + ROWS)
        rows, columns = mask.edges(start, stop)
        owners[rows], factors[rows] = columns, block(name, start, stop)[rows - start, columns]
    if bias is not None:
        constants, _ = ticket.tensors[bias].mask.edges(0, mask.shape[0])
        owners[constants] = mask.shape[1]
        factors[constants] = block(bias, 0, mask.shape[0])[constants, 0]
    return owners, factors


def _column(ticket: Ticket, name: str, start: int, stop: int, block: Block) -> np.ndarray:
    rows, _ = ticket.tensors[name].mask.edges(start, stop)
    column = np.zeros(stop - start)
    column[rows - start] = block(name, start, stop)[rows - start, 0]
    return column


def maps_sha256(maps: Iterable[EffectiveMaps]) -> str:
    """SHA-256 over effective weights, float64 little-endian, layer by layer."""
    digest = hashlib.sha256()
    for effective in maps:
        for array in effective.arrays():
            digest.update(np.ascontiguousarray(array, "<f8"))
    return digest.hexdigest()


def effective_sha256(ticket: Ticket, *, block: Block | None = None) -> str:
    """SHA-256 over the weights that a ticket stands for: sums of kept products, or masked values."""
    if ticket.kind == "strong":
        return maps_sha256(effective_maps(ticket, block=block))
    digest = hashlib.sha256()
    for name in ticket.tensors:
        for _, rows in kept_rows(ticket, name, block or ticket.block):
            digest.update(np.ascontiguousarray(rows, "<f8"))
    return digest.hexdigest()
