"""The masks of a target layer that is spread over many source layers, and its record."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tombola.effective import effective_maps
from tombola.ticket import BitMask, MaskedTensor, OwnerMask, Stage, Ticket

from ._adaptive import PortSolution
from ._layer import LISTED, BuiltLayer, Miss, TargetLayer, column_mask
from ._relays import Plan, Relays
from ._two_layer import UNIT_LAW

Edges = tuple[np.ndarray, np.ndarray]  # from and to


@dataclass(frozen=True, eq=False)
class Copies:
    """The units of one stage that hold a multiple of an input of its group, and the edges that they keep.

    Attributes:
        ports: `(m,)` the position in the group of the input that each holds.
        units: `(m,)`.
        sums: the edges to the goals of the stage's problem.
        goals: how many goals there are.
    """

    ports: np.ndarray
    units: np.ndarray
    sums: Edges
    goals: int

    def fed(self) -> np.ndarray:
        """Which goals get anything, `(goals,)` bool."""
        return np.bincount(self.sums[1], minlength=self.goals) > 0


def kept_copies(pools: list[np.ndarray], solutions: list[PortSolution], goals: int) -> Copies:
    """The copies of all ports of a stage; those that keep no edge are left out."""
    ports, units, sources, targets = ([np.zeros(0, np.int64)] for _ in range(4))
    for port, (pool, solution) in enumerate(zip(pools, solutions, strict=True)):
        kept = np.unpackbits(solution.kept, axis=1, count=goals, bitorder="little")
        used = pool[kept.any(axis=1)]
        unit, target = np.nonzero(kept)
        ports.append(np.full(used.size, port))
        units.append(used)
        sources.append(pool[unit])
        targets.append(target)
    joined = [np.concatenate(parts) for parts in (ports, units, sources, targets)]
    return Copies(joined[0], joined[1], (joined[2], joined[3]), goals)


def kept_edges(plan: Plan, carriers: list[Relays], gathered: list[Relays | None], copies: list[Copies]) -> list[Edges]:
    """The kept edges of every source layer; a relay that gets nothing, or whose input has no copies, keeps none.

    Args:
        plan: of the layer.
        carriers: of every hidden stage.
        gathered: the accumulators of every hidden stage; None in the first.
        copies: of every hidden stage.
    """
    edges: list[list[Edges]] = [[] for _ in range(plan.last + 2)]
    wanted = np.concatenate([np.isin(np.arange(g.size), c.ports) for g, c in zip(plan.groups, copies, strict=True)])
    outputs, begin, feeds = np.arange(plan.layer.outputs), 0, np.concatenate(plan.groups)
    fed = np.zeros(2 * outputs.size, np.bool_)
    for stage, (carrying, gathering, made) in enumerate(zip(carriers, gathered, copies, strict=True)):
        size = plan.groups[stage].size
        begin += size
        later, after = wanted[begin:], gathered[stage + 1] if stage < plan.last else None
        edges[stage] += [(feeds[:size][made.ports], made.units), (feeds[size:][later], carrying.units[later])]
        onward = np.tile(outputs, 2) if after is None else after.units
        edges[stage + 1].append((made.sums[0], onward[made.sums[1]]))
        if gathering is not None:
            edges[stage + 1].append((gathering.units[fed], onward[fed]))
        if after is not None:
            fed |= made.fed()
        feeds = carrying.units
    return [(np.concatenate([e[0] for e in some]), np.concatenate([e[1] for e in some])) for some in edges]


def deep_masks(plan: Plan, edges: list[Edges]) -> dict[str, MaskedTensor]:
    """The masks of every source layer: owners in the first, where units have one edge each, and bits."""
    heights = [int(units.max(initial=0)) + 1 for _, units in edges[:-1]]
    owner = np.full(heights[0], -1, np.int32)
    owner[edges[0][1]] = edges[0][0]
    constant = owner == plan.layer.inputs
    first, *others = plan.names
    owned = OwnerMask(np.where(constant, -1, owner).astype(np.int32), plan.layer.inputs)
    tensors = {first: MaskedTensor(owned, UNIT_LAW)}
    if plan.layer.bias is not None:
        tensors[f"{first}.bias"] = MaskedTensor(column_mask(constant), UNIT_LAW)
    widths = [*heights[1:], plan.layer.outputs]
    for number, (name, height, width) in enumerate(zip(others, heights, widths, strict=True), start=1):
        mask = bit_mask(edges[number], height, width)
        tensors[name] = MaskedTensor(mask, plan.laws[number], transposed=True)
    return tensors


def bit_mask(edges: Edges, height: int, width: int) -> BitMask:
    """Edges as bits.

    Example:
        >>> bit_mask((np.array([1, 1]), np.array([0, 9])), 2, 10).packed.tolist()
        [[0, 0], [1, 2]]
    """
    packed = np.zeros((height, -(-width // 8)), np.uint8)
    byte, bit = np.divmod(edges[1], 8)
    np.bitwise_or.at(packed, (edges[0], byte), np.left_shift(1, bit).astype(np.uint8))
    return BitMask(packed, width)


def deep_report(plan: Plan, edges: list[Edges], sums: int) -> BuiltLayer:
    """The record of one layer, its errors those of the effective weights that the masks really have.

    Args:
        plan: of the layer.
        edges: kept, of every source layer.
        sums: how many of them belong to subset sums.
    """
    layer, stages = plan.layer, deep_stages(plan)
    tensors = deep_masks(plan, edges)
    errors = deep_errors(layer, Ticket("strong", plan.source, tensors, stages))
    missed = np.argwhere(errors > layer.tolerance)
    return BuiltLayer(
        tensors,
        stages,
        edges=sums,
        targets=errors.size,
        zeroed=int((np.abs(layer.augmented) <= layer.tolerance).sum()),
        signed=False,
        errors=errors.ravel().astype(np.float32),
        failures=len(missed),
        misses=[Miss(layer.name, int(j), int(i), 1, float(errors[j, i])) for j, i in missed[:LISTED]],
    )


def deep_stages(plan: Plan) -> tuple[Stage, ...]:
    """The stages that realise a layer."""
    name, (first, *middle, last) = plan.layer.name, plan.names
    bias = None if plan.layer.bias is None else f"{first}.bias"
    hidden = [Stage(name, first, bias, relu=True), *(Stage(name, one, None, relu=True) for one in middle)]
    return (*hidden, Stage(name, last, None, relu=plan.layer.relu))


def deep_errors(layer: TargetLayer, ticket: Ticket) -> np.ndarray:
    """|effective - target| of every weight and bias `(outputs, inputs [+ 1])`, float64, of a ticket for one layer."""
    (maps,) = effective_maps(ticket)
    found = maps.positive if maps.bias is None else np.concatenate([maps.positive, maps.bias[:, None]], axis=1)
    return np.abs(found - layer.augmented)
