r"""Two source layers for a target layer, with hidden units of any activation and weights of several laws.

[Burkholz2022] Burkholz, "Most activation functions can win the lottery without excessive depth", NeurIPS 2022.

A unit with the input edge `u` passes on `d + m u x`, with the activation's slope `m_+` or `m_-` by the sign of `u x`.
With `A` the sum of `v u` over kept units of positive `u`, `B` over those of negative, an input of either sign finds the
weight `w` if

\[m_+ A + m_- B = w, \qquad m_- A + m_+ B = w.\]

One sum over units of both signs does it where slopes are equal, two sums to `w / (m_+ + m_-)` where they are not. Every
kept unit adds `d v` besides; constant units, which keep their own bias or nothing at all, take that away again: most of
it greedily, the rest by subset sums. Curved units need input edges so small that what the curvature adds over a row is
about one weight's tolerance; output edges are larger in proportion.

In a looks-linear parent units come in pairs with opposite edges on both sides. A pair passes on `phi(z) - phi(-z)`, the
number itself for ReLU, so that inputs of two signs need one sum to a weight, with the same error for both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from tombola.activations import Activation
from tombola.errors import UnsupportedModuleError
from tombola.random_source import Law, Mirrored, Normal, SignedConstant, Source, Uniform
from tombola.ticket import BitMask, MaskedTensor, OwnerMask, Stage

from ._adaptive import PortSolution, solve_problem
from ._layer import LISTED, BuiltLayer, Miss, Parent, Recipe, TargetLayer, column_mask, half_width, height_of, kept_rows
from ._problem import Problem

LEAST_FACTOR = 0.25  # of the largest typical edge
LOOKS_LINEAR = "looks_linear"
SPREAD = math.sqrt(1 / 3)  # standard deviation of a uniform law of half-width 1
ROW_LOAD = 0.75  # kept edges to a weight times the mean of |v| |u| ** power, in half-widths
FINEST_EDGE, WIDEST_EDGE = 2.0**-14, 1.0  # below, float32 networks would drown in rounding
BULK = 8  # constant units for each multiple of a typical element that has to be taken away
ROUNDS = 3  # of constants
GUARD = 1 - 1e-4  # sums are solved in float32 products; their errors are taken again in float64


@dataclass(frozen=True)
class Gate:
    """How the units of one layer pass its inputs on.

    Attributes:
        parent: the kind of random network.
        passes: what a unit computes; of a looks-linear parent on inputs of two signs, what a pair of units does.
        edge: scale of the input edges, a power of two.
        divisor: what a weight is divided by to be a target of a sum of `v u`.
        sharpness: what its tolerance is divided by.
        split: whether inputs of two signs need a sum each.
        paired: whether units are kept or dropped in pairs.
    """

    parent: Parent
    passes: Activation
    edge: float
    divisor: float
    sharpness: float
    split: bool
    paired: bool

    @property
    def inner(self) -> Law:
        """Of the edges into hidden units, and of their biases; of the first of two where these are paired."""
        if self.parent.law == "signed_constant":
            return SignedConstant(self.edge)
        if self.parent.law == "normal":
            return Normal(self.edge * SPREAD)
        return self._single(Uniform(self.edge))

    def outer(self, layer: TargetLayer) -> Law:
        """Of the edges out of hidden units, likewise."""
        width = half_width(layer.augmented) / self.edge / 2.0 ** round(math.log2(abs(self.divisor)))
        return Normal(width * SPREAD) if self.parent.law == "normal" else self._single(Uniform(width))

    def _single(self, law: Uniform) -> Law:
        return Mirrored(law) if self.parent.law == LOOKS_LINEAR and not self.paired else law


def gate_of(layer: TargetLayer, parent: Parent) -> Gate:
    """The gate that suits a layer.

    Raises:
        UnsupportedModuleError: if units pass an offset on that the layer's padding would cut off at borders.
    """
    paired = parent.law == LOOKS_LINEAR and layer.signed
    act = pair_of(parent.activation) if paired else parent.activation
    if act.offset and layer.padded:
        found = f"padding behind {act.name} units, whose offset it would cut off at the borders"
        raise UnsupportedModuleError(layer.name, found, ("an activation that is 0 at 0 for padded convolutions",))
    split = layer.signed and not act.linear
    divisor = act.above + act.below if split else act.above
    sharpness = abs(act.above) + abs(act.below) if split else abs(act.above)
    edge = WIDEST_EDGE
    if not act.exact:
        load = act.curvature * ROW_LOAD * layer.inputs * half_width(layer.augmented) * layer.reach ** (act.power - 1)
        edge = (layer.tolerance * sharpness / max(load, 1e-30)) ** (1 / (act.power - 1))
        edge = 2.0 ** math.floor(math.log2(min(WIDEST_EDGE, max(FINEST_EDGE, min(edge, 1 / max(layer.reach, 1e-30))))))
    return Gate(parent, act, edge, divisor, sharpness, split, paired)


def pair_of(act: Activation) -> Activation:
    """What two units with opposite edges pass on together: `phi(z) - phi(-z)`, odd, whatever phi is."""
    slope = act.above + act.below
    return Activation(
        f"a pair of {act.name}",
        slope,
        slope,
        curvature=2 * act.curvature,
        power=act.power,
        function=lambda z: act(z) - act(-z),
    )


def gated_pair(layer: TargetLayer, recipe: Recipe) -> BuiltLayer:
    """One target layer from two source layers whose units are owned by inputs; constants are chosen last.

    Raises:
        UnsupportedModuleError: as `gate_of`.
    """
    gate = gate_of(layer, recipe.parent)
    problem = weights_problem(layer, gate, recipe.source)
    pools, solutions = solve_problem(problem, recipe.solver, threads=recipe.threads, progress=recipe.progress)
    height = height_of(pools)
    owner, packed = kept_rows(pools, solutions, problem.columns, height, width=layer.outputs)
    constant = np.zeros(height, np.bool_)
    act, wanted = gate.passes, np.zeros(0)
    if layer.bias is not None or act.offset:
        taken = np.concatenate([pool.units for pool in pools])
        wanted = biases_wanted(layer, gate, recipe.source, packed)
        if recipe.parent.biases or act.offset:
            units, kept, wanted = constants_of(layer, gate, recipe, wanted, taken)
            owner, packed, constant = with_constant_units(owner, packed, units, kept)
    tensors = _tensors(layer, gate, owner, packed, constant)
    return _built(layer, gate, tensors, problem, solutions, np.abs(wanted))


def weights_problem(layer: TargetLayer, gate: Gate, source: Source) -> Problem:
    """Every input is a port, or a port for each of its signs, with one target per output."""
    columns = np.arange(layer.inputs)
    signs = np.full(layer.inputs, 0 if gate.passes.linear else 1, np.int64)
    if gate.split:
        columns, signs = np.concatenate([columns, columns]), np.concatenate([signs, -signs])
    law = gate.outer(layer)
    return Problem(
        targets=np.ascontiguousarray(layer.weight.T[columns] / np.float32(gate.divisor)),
        columns=columns,
        signs=signs,
        factors=lambda units: source.block(f"{layer.name}.in", gate.inner, units, range(layer.inputs), threads=1),
        elements=lambda units: source.block(f"{layer.name}.out", law, units, range(layer.outputs), threads=1),
        least_factor=LEAST_FACTOR * gate.edge,
        tolerance=layer.tolerance / gate.sharpness * GUARD,
    )


def biases_wanted(layer: TargetLayer, gate: Gate, source: Source, packed: np.ndarray) -> np.ndarray:
    """`(outputs,)` float64: the biases, less what the offsets of all kept units add; on the bias taps only."""
    wanted = np.zeros(layer.outputs) if layer.bias is None else layer.bias.astype(np.float64)
    offset = gate.passes.offset
    if offset:
        sums = np.zeros(layer.outputs)
        for start in range(0, len(packed), 1024):
            units = np.arange(start, min(len(packed), start + 1024))
            kept = np.unpackbits(packed[units], axis=1, count=layer.outputs, bitorder="little")
            rows = source.block(f"{layer.name}.out", gate.outer(layer), units, range(layer.outputs), threads=1)
            sums += (kept * rows.astype(np.float64)).sum(axis=0)
        wanted[layer.bias_tap :: layer.taps] -= offset * sums.reshape(-1, layer.taps).sum(axis=1)
    return wanted


def constants_of(
    layer: TargetLayer, gate: Gate, recipe: Recipe, wanted: np.ndarray, taken: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Constant units and their packed kept rows, whose sums come to the wanted biases, and what is left of these.

    What is still missed after subset sums, as elements are large beside the tolerance, is asked of further units.
    """
    units, kept, rest = bulk_of(layer, gate, recipe.source, wanted, taken)
    for _ in range(ROUNDS):
        problem = constants_problem(layer, gate, recipe.source, rest, np.concatenate([taken, units]))
        (pool,), (solution,) = solve_problem(problem, recipe.solver, threads=1, progress=lambda _: None)
        units, kept = np.concatenate([units, pool.units]), np.concatenate([kept, solution.kept])
        bits = np.unpackbits(solution.kept, axis=1, count=layer.outputs, bitorder="little")
        rest = rest - (bits * offered_by(layer, gate, recipe.source, pool.units)).sum(axis=0)
        if np.abs(rest).max(initial=0.0) <= layer.tolerance:
            break
    return units, kept, rest


def offered_by(layer: TargetLayer, gate: Gate, source: Source, units: np.ndarray) -> np.ndarray:
    """What constant units offer to every output, `(units, outputs)` float64."""
    rows = source.block(f"{layer.name}.out", gate.outer(layer), units, range(layer.outputs), threads=1)
    return rows.astype(np.float64) * constant_values(layer, gate, source, units)[:, None]


def constant_values(layer: TargetLayer, gate: Gate, source: Source, units: np.ndarray) -> np.ndarray:
    """What units pass on that keep their own bias alone, or nothing where the parent has no biases; `(units,)`."""
    biases = np.zeros((units.size, 1), np.float32)
    if gate.parent.biases:
        biases = source.block(f"{layer.name}.in.bias", gate.inner, units, range(1), threads=1)
    return gate.passes(torch.from_numpy(biases.astype(np.float64))).numpy()[:, 0]


def bulk_of(
    layer: TargetLayer, gate: Gate, source: Source, wanted: np.ndarray, taken: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Constant units that greedily take the better part of large targets away: units, packed kept rows, and the rest.

    Subset sums want targets about as large as their elements; offsets add up to much more.
    """
    offset = abs(gate.passes.offset)
    typical = offset * half_width(layer.augmented) / gate.edge
    largest = float(np.abs(wanted).max(initial=0.0))
    if largest <= 2 * typical or not typical:
        return np.empty(0, np.int64), np.empty((0, -(-layer.outputs // 8)), np.uint8), wanted
    count = math.ceil(BULK * largest / typical)
    units = np.setdiff1d(np.arange(count + taken.size), taken)[:count]
    offered, rest = offered_by(layer, gate, source, units), wanted.copy()
    kept, outputs = np.zeros(offered.shape, np.bool_), np.arange(layer.outputs)
    for place in np.argsort(-np.abs(offered), axis=0):
        element = offered[place, outputs]
        helps = np.abs(rest - element) < np.abs(rest)
        kept[place, outputs] = helps
        rest -= np.where(helps, element, 0.0)
    return units, np.packbits(kept, axis=1, bitorder="little"), rest


def constants_problem(layer: TargetLayer, gate: Gate, source: Source, wanted: np.ndarray, taken: np.ndarray) -> Problem:
    """One port, whose units are constants that are not taken yet."""
    law, act = gate.outer(layer), gate.passes

    def values(units: np.ndarray) -> np.ndarray:
        found = constant_values(layer, gate, source, units).astype(np.float32)
        return np.where(np.isin(units, taken), np.float32(0), found)[:, None]

    return Problem(
        targets=wanted[None].astype(np.float32),
        columns=np.zeros(1, np.int64),
        signs=np.zeros(1, np.int64),
        factors=values,
        elements=lambda units: source.block(f"{layer.name}.out", law, units, range(layer.outputs), threads=1),
        least_factor=LEAST_FACTOR * max(abs(act.offset), gate.edge * abs(act.above)),
        tolerance=layer.tolerance * GUARD,
    )


def with_constant_units(
    owner: np.ndarray, packed: np.ndarray, units: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Owners, kept rows and the flags of constant units, with some units and their kept rows among them."""
    extra = max(0, int(units.max(initial=-1)) + 1 - len(owner))
    owner = np.concatenate([owner, np.full(extra, -1, np.int32)])
    packed = np.concatenate([packed, np.zeros((extra, packed.shape[1]), np.uint8)])
    constant = np.zeros(len(owner), np.bool_)
    packed[units] = kept
    constant[units] = kept.any(axis=1)
    return owner, packed, constant


def _tensors(
    layer: TargetLayer, gate: Gate, owner: np.ndarray, packed: np.ndarray, constant: np.ndarray
) -> dict[str, MaskedTensor]:
    """The masks of the two source layers; both units of a pair keep the same edges."""
    inner, outer = gate.inner, gate.outer(layer)
    if gate.paired:
        inner, outer = (Mirrored(law) for law in (inner, outer))  # pyright: ignore[reportArgumentType] - bases here
        owner, packed, constant = (np.repeat(rows, 2, axis=0) for rows in (owner, packed, constant))
    tensors = {f"{layer.name}.in": MaskedTensor(OwnerMask(owner, layer.inputs), inner)}
    if gate.parent.biases and (layer.bias is not None or gate.passes.offset):
        tensors[f"{layer.name}.in.bias"] = MaskedTensor(column_mask(constant), inner)
    return tensors | {f"{layer.name}.out": MaskedTensor(BitMask(packed, layer.outputs), outer, transposed=True)}


def _built(
    layer: TargetLayer,
    gate: Gate,
    tensors: dict[str, MaskedTensor],
    problem: Problem,
    solutions: list[PortSolution],
    biases: np.ndarray,
) -> BuiltLayer:
    """The record of the layer; its errors are those of sums, to be replaced by those of effective weights."""
    scale = np.float32(gate.sharpness)
    misses = [
        Miss(
            layer.name, int(k), int(problem.columns[port]), int(problem.signs[port]), float(scale * solution.errors[k])
        )
        for port, solution in enumerate(solutions)
        for k in solution.missed
    ]
    misses += [
        Miss(layer.name, int(k), layer.inputs, 0, float(biases[k])) for k in np.flatnonzero(biases > layer.tolerance)
    ]
    bias = f"{layer.name}.in.bias"
    stages = (
        Stage(
            layer.name,
            f"{layer.name}.in",
            bias if bias in tensors else None,
            relu=True,
            activation=gate.parent.activation,
        ),
        Stage(layer.name, f"{layer.name}.out", None, relu=layer.relu),
    )
    return BuiltLayer(
        tensors,
        stages,
        edges=tensors[f"{layer.name}.out"].mask.kept,
        targets=problem.targets.size + layer.parameters.size - layer.weight.size,
        zeroed=int((np.abs(problem.targets) <= problem.tolerance).sum()),
        signed=layer.signed,
        errors=np.concatenate([solution.errors * scale for solution in solutions]),
        failures=len(misses),
        misses=misses[:LISTED],
    )
