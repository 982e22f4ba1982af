"""Two source layers for each target layer: depth 2L.

[Malach2020] Malach, Yehudai, Shalev-Shwartz, Shamir, "Proving the lottery ticket hypothesis: pruning is all you need".
[Pensia2020] Pensia, Rajput, Nagle, Vishwakarma, Papailiopoulos, "Optimal lottery tickets via SubsetSum".
[Fischer2021] Fischer, Burkholz, "Towards strong pruning for lottery tickets with non-zero biases".

A hidden ReLU unit that keeps the single input edge `a` carries `relu(a x)`, which is `a x` where `a x > 0`. A target
weight is a subset sum of products `v a` over such units, one sum for positive and one for negative `x`. Where inputs
cannot be negative one sign is enough. Biases are sums over constant units, which keep only their own positive bias.

Deviations from the papers: units are handed out adaptively instead of in blocks of equal size (`_adaptive.py`); a unit
may serve any input; and a layer with few outputs may turn the roles round, giving each unit one *output* edge and many
positive input edges, because such a unit is linear on non-negative inputs.
"""

from __future__ import annotations

import numpy as np

from tombola.random_source import Source, Uniform
from tombola.ticket import BitMask, MaskedTensor, OwnerMask, Stage

from ._adaptive import Pool, PortSolution, solve_problem
from ._build_layers import build_layers
from ._gated_pair import gated_pair
from ._layer import LISTED, BuiltLayer, Miss, Recipe, TargetLayer, column_mask, half_width, height_of, kept_rows
from ._problem import Problem
from ._targets import with_reaches

LEAST_FACTOR = 0.25  # of the half-width: smaller owner edges make elements too short to be worth a unit
UNIT_LAW = Uniform(1.0)
OUTPUT_OWNED_UNITS = 4  # a pool shared by all inputs needs about four times the units of a pool for one input


def two_layer(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """Every target layer as kept edges of two source layers; depth 2L.

    Args:
        layers: the target's layers in order.
        recipe: the source, the solver and the workers.

    Returns:
        One record per layer. Sums are exact; that all weights meet the tolerance is heuristic and reported.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import two_layer, construct
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> len(construct(net, torch.zeros(1, 4), construction=two_layer).stages)
        4
    """
    if not recipe.parent.plain:
        return build_layers(gated_pair, with_reaches(layers, recipe), recipe)
    return build_layers(build_pair, layers, recipe)


def build_pair(layer: TargetLayer, recipe: Recipe) -> BuiltLayer:
    """One target layer from two source layers, each unit owned by an input or, if that is cheaper, by an output."""
    if not recipe.parent.plain:
        return gated_pair(layer, recipe)
    problem, by_output = pair_problem(layer, recipe.source)
    pools, solutions = solve_problem(problem, recipe.solver, threads=recipe.threads, progress=recipe.progress)
    tensors = _tensors(layer, problem, pools, solutions, by_output=by_output)
    has_bias = layer.bias is not None
    stages = (
        Stage(layer.name, f"{layer.name}.in", f"{layer.name}.in.bias" if has_bias else None, relu=True),
        Stage(layer.name, f"{layer.name}.out", None, relu=layer.relu),
    )
    return report(layer, problem, solutions, tensors=tensors, stages=stages, by_output=by_output)


def pair_problem(layer: TargetLayer, source: Source) -> tuple[Problem, bool]:
    """The units and ports of a layer, and whether outputs own the units: they do where that takes fewer."""
    by_output = not layer.signed and OUTPUT_OWNED_UNITS * layer.outputs < layer.augmented.shape[1]
    return (output_owned if by_output else input_owned)(layer, source), by_output


def report(
    layer: TargetLayer,
    problem: Problem,
    solutions: list[PortSolution],
    *,
    tensors: dict[str, MaskedTensor],
    stages: tuple[Stage, ...],
    by_output: bool,
) -> BuiltLayer:
    """The record of one layer, errors and misses included."""
    errors = [solution.errors for solution in solutions]
    misses = [
        Miss(
            layer.name,
            *((int(problem.columns[port]), int(k)) if by_output else (int(k), int(problem.columns[port]))),
            int(problem.signs[port]),
            float(errors[port][k]),
        )
        for port, solution in enumerate(solutions)
        for k in solution.missed
    ]
    return BuiltLayer(
        tensors,
        stages,
        edges=sum(solution.edges for solution in solutions),
        targets=problem.targets.size - _no_biases(layer),
        zeroed=int((np.abs(problem.targets) <= layer.tolerance).sum()) - _no_biases(layer),
        signed=layer.signed,
        errors=np.concatenate(errors) if errors else np.zeros(0, np.float32),
        failures=len(misses),
        misses=misses[:LISTED],
    )


def _no_biases(layer: TargetLayer) -> int:
    """How many rows of a convolution are taps that have no bias."""
    return 0 if layer.bias is None else layer.outputs - layer.outputs // layer.taps


def input_owned(layer: TargetLayer, source: Source) -> Problem:
    """Units keep one input edge; every (input, sign) is a port with one target per output."""
    augmented, inputs = layer.augmented, layer.inputs
    law = outer_law(layer)
    columns = np.arange(augmented.shape[1])
    signs = np.ones(columns.size, np.int64)
    if layer.signed:
        columns = np.concatenate([columns, np.arange(inputs)])
        signs = np.concatenate([signs, -np.ones(inputs, np.int64)])
    targets = augmented.T[columns] if layer.signed else augmented.T
    return Problem(
        targets=targets,
        columns=columns,
        signs=signs,
        factors=lambda units: unit_rows(layer, source, units),
        elements=lambda units: source.block(f"{layer.name}.out", law, units, range(layer.outputs), threads=1),
        least_factor=LEAST_FACTOR,
        tolerance=layer.tolerance,
    )


def output_owned(layer: TargetLayer, source: Source) -> Problem:
    """Units keep one output edge; every output is a port with one target per input, met by positive input edges."""
    law = outer_law(layer)
    return Problem(
        targets=layer.augmented,
        columns=np.arange(layer.outputs),
        signs=np.zeros(layer.outputs, np.int64),
        factors=lambda units: source.block(f"{layer.name}.out", law, units, range(layer.outputs), threads=1),
        elements=lambda units: np.maximum(unit_rows(layer, source, units), 0),
        least_factor=LEAST_FACTOR * law.half_width,
        tolerance=layer.tolerance,
    )


def outer_law(layer: TargetLayer) -> Uniform:
    """The law of the outer weights, scaled to the layer's weights and biases."""
    return Uniform(half_width(layer.augmented))


def unit_rows(layer: TargetLayer, source: Source, units: np.ndarray) -> np.ndarray:
    """The input edges `(units, inputs [+ 1])` of hidden units; the last column is the unit's bias."""
    rows = source.block(f"{layer.name}.in", UNIT_LAW, units, range(layer.inputs), threads=1)
    if layer.bias is None:
        return rows
    bias = source.block(f"{layer.name}.in.bias", UNIT_LAW, units, range(1), threads=1)
    return np.concatenate([rows, bias], axis=1)


def _tensors(
    layer: TargetLayer, problem: Problem, pools: list[Pool], solutions: list[PortSolution], *, by_output: bool
) -> dict[str, MaskedTensor]:
    """The masks of the two source layers."""
    height, width = height_of(pools), problem.targets.shape[1]
    owner, packed = kept_rows(pools, solutions, problem.columns, height, width=width)
    law = outer_law(layer)
    if by_output:
        inner, constant = without_column(packed, layer.inputs)
        outer = OwnerMask(owner, layer.outputs)
    else:
        constant = owner == layer.inputs
        inner = OwnerMask(np.where(constant, -1, owner).astype(np.int32), layer.inputs)
        outer = BitMask(packed, layer.outputs)
    tensors = {f"{layer.name}.in": MaskedTensor(inner, UNIT_LAW)}
    if layer.bias is not None:
        tensors[f"{layer.name}.in.bias"] = MaskedTensor(column_mask(constant), UNIT_LAW)
    tensors[f"{layer.name}.out"] = MaskedTensor(outer, law, transposed=True)
    return tensors


def without_column(packed: np.ndarray, inputs: int) -> tuple[BitMask, np.ndarray]:
    """Splits off the last column, if it is there: the mask of the input edges, and which units keep their bias."""
    byte, bit = divmod(inputs, 8)
    if packed.shape[1] * 8 <= inputs:
        return BitMask(packed, inputs), np.zeros(len(packed), np.bool_)
    constant = (packed[:, byte] >> bit & 1).astype(np.bool_)
    rest = packed.copy()
    rest[:, byte] &= np.uint8((1 << bit) - 1)
    return BitMask(np.ascontiguousarray(rest[:, : -(-inputs // 8)]), inputs), constant
