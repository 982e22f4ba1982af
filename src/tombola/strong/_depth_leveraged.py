"""More source layers for each target layer, so that each of them is narrower: depth up to (k + 1) L.

[Burkholz2022] Burkholz, Laha, Mukherjee, Gotovos, "On the existence of universal lottery tickets", ICLR 2022: depth of
the source can be traded for width. The construction below is our own.

The inputs of a layer, the constant one of its bias among them, are split into k groups. Hidden stage t holds the scaled
copies `relu(u x)` of the inputs of group t alone, of which subset sums are made; one carrier for each input of the
groups behind; and, from the second stage on, two accumulators for each output, one for the positive and one for the
negative part of the sum so far. Nothing in there is negative, so every ReLU is the identity. A product counts as much
as its way to the output leaves of it. That is a product of source values as well, and a subset sum is made for what
arrives: outputs have the target's own scale, and no later layer has to make up for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tombola.errors import UnsupportedModuleError

from ._adaptive import solve_problem
from ._build_layers import build_layers
from ._deep_masks import Copies, deep_report, kept_copies, kept_edges
from ._layer import BuiltLayer, Recipe, TargetLayer
from ._problem import Problem
from ._relays import Plan, Relays, choose_accumulators, choose_carriers
from ._two_layer import LEAST_FACTOR, OUTPUT_OWNED_UNITS, build_pair

STAGES = range(1, 33)
UNITS = 9  # that an input takes, about
WORTH = 0.75  # of the width of two source layers: layers that would not become narrower than this are not made deeper
GAPS = 32  # units that are left over in the first stage, about; elsewhere accumulators fill them
MARGIN = 2.0**-21  # of the largest weight: scales of carriers are rounded to float32 while sums are chosen

Construction = Callable[[list[TargetLayer], Recipe], list[BuiltLayer]]


def depth_leveraged(k: int) -> Construction:
    """The construction that spreads each target layer over k + 1 source layers; depth up to (k + 1) L.

    A stage holds the products of about 1 / k of the inputs, next to one unit for every input that is still to come and
    two for every output: `stage_widths`. k = 1 is `two_layer`, and so is, for every k, a first layer whose inputs have
    both signs, and a layer that depth would not make narrower by a quarter, as one with few outputs. The error of a
    weight is the same as there, because each weight is one subset sum all the same. Measured for 128 inputs and 64
    outputs with biases: at k = 1, 2, 4, 8 the widest stage has 1190, 730, 490 and 365 units, at the same output error.

    Guarantee: sums are exact, hidden units never negative; that all weights meet the tolerance is heuristic and
    reported. Cost: about that of `two_layer`, and a source value for each relay and unit that it could choose.

    Args:
        k: hidden source layers for each target layer, from 1 to 32; no more than a layer has inputs are used.

    Returns:
        A construction for `construct`, for targets that are chains of dense layers with ReLU. It raises
        UnsupportedModuleError for others, and ValueError for a parent that is not plain.

    Raises:
        ValueError: if k is out of range.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import Box, construct
        >>> net = nn.Sequential(nn.Linear(40, 16))
        >>> deeper = [depth_leveraged(k) for k in (1, 4)]
        >>> tickets = [construct(net, torch.zeros(1, 40), construction=one, inputs=Box(0, 1)) for one in deeper]
        >>> widest = [max(tensor.mask.shape[0] for tensor in ticket.tensors.values()) for ticket in tickets]
        >>> [len(ticket.stages) for ticket in tickets], widest[1] < 0.5 * widest[0]
        ([2, 5], True)
    """
    if k not in STAGES:
        raise ValueError(f"k must be from {STAGES[0]} to {STAGES[-1]} hidden layers for each layer, got {k}")

    def construction(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
        if not recipe.graph.is_dense_chain():
            wanted = ("depth_leveraged takes dense layers with ReLU between them only",)
            raise UnsupportedModuleError("", "a graph", wanted)
        if not recipe.parent.plain:
            raise ValueError("depth_leveraged needs a parent with ReLU units, biases and uniform weights")
        return build_layers(partial(build_deep, k=k), layers, recipe)

    construction.__name__ = f"depth_leveraged({k})"
    return construction


def stage_widths(sizes: np.ndarray, outputs: int, *, units: int = UNITS) -> np.ndarray:
    """The width of every hidden stage, given the sizes of its groups of inputs, the constant one included.

    Example:
        >>> even = [np.array([group.size for group in np.array_split(np.arange(33), k)]) for k in (1, 2, 4, 8, 16)]
        >>> [int(stage_widths(sizes, 16, units=16).max()) for sizes in even]
        [528, 288, 176, 120, 92]
    """
    later = sizes.sum() - sizes.cumsum()
    accumulators = np.where(np.arange(sizes.size) > 0, 2 * outputs, 0)
    return units * sizes + later + accumulators


def group_sizes(columns: int, outputs: int, k: int) -> np.ndarray:
    """How many inputs each stage takes, one at least, so that the widest is as narrow as can be.

    Example:
        >>> sizes = group_sizes(257, 64, 4)
        >>> sizes.tolist(), stage_widths(sizes, 64).tolist()
        ([62, 57, 65, 73], [753, 779, 786, 785])
    """
    stages = min(k, columns)
    width = stage_widths(np.ones(stages, np.int64), outputs).max(initial=0)
    while True:
        sizes, left = [], columns
        for stage in range(stages):
            room = width - left - (2 * outputs if stage else GAPS)
            sizes.append(int(min(left - (stages - 1 - stage), max(1, room // (UNITS - 1)))))
            left -= sizes[-1]
        if not left:
            return np.array(sizes, np.int64)
        width += 1


def is_deep(layer: TargetLayer, k: int) -> bool:
    """Whether a layer gets more than two source layers: only where its inputs have one sign, and depth is worth it."""
    columns = layer.augmented.shape[1]
    pair = UNITS * min(columns, OUTPUT_OWNED_UNITS * layer.outputs)
    deep = stage_widths(group_sizes(columns, layer.outputs, k), layer.outputs)
    return not layer.signed and int(deep.max(initial=0)) < WORTH * pair


def input_groups(layer: TargetLayer, k: int) -> list[np.ndarray]:
    """The columns of `layer.augmented` by stages; the constant one comes first.

    So constants are made where the first stage's biases are, and need no carrier.
    """
    columns = np.roll(np.arange(layer.augmented.shape[1]), layer.bias is not None)
    return np.split(columns, group_sizes(columns.size, layer.outputs, k).cumsum()[:-1])


def build_deep(layer: TargetLayer, recipe: Recipe, *, k: int) -> BuiltLayer:
    """One target layer from k + 1 source layers, or from two where these are as narrow."""
    if not is_deep(layer, k):
        return build_pair(layer, recipe)
    plan = Plan(layer, input_groups(layer, k), recipe.source)
    carriers = choose_carriers(plan)
    copies: list[Copies] = []
    gathered: list[Relays | None] = [None] * (plan.last + 1)
    for stage in range(plan.last, -1, -1):
        after = gathered[stage + 1] if stage < plan.last else None
        made = solve_stage(plan, stage, carriers, after, recipe)
        if stage:
            taken = np.concatenate([carriers[stage].units, made.units])
            gathered[stage] = choose_accumulators(plan, stage, taken, after)
        copies.insert(0, made)
    edges = kept_edges(plan, carriers, gathered, copies)
    return deep_report(plan, edges, sum(made.sums[0].size for made in copies))


def solve_stage(plan: Plan, stage: int, carriers: list[Relays], after: Relays | None, recipe: Recipe) -> Copies:
    """The copies of one stage, and what they add to the accumulators of the next one or to the outputs.

    Every input of the stage's group is a port. Its targets are the positive parts of its weights, then the negative
    ones, each for an accumulator of its own; in the last stage they are the weights.
    """
    layer, columns, taken = plan.layer, plan.groups[stage], carriers[stage].units
    feeds, scales = columns, np.ones(columns.size)
    if stage:
        feeds, scales = (part[: columns.size] for part in (carriers[stage - 1].units, carriers[stage - 1].scales))
    targets = np.ascontiguousarray(layer.augmented.T[columns])
    goals, share = np.arange(layer.outputs), np.ones(layer.outputs)
    if after is not None:
        targets = np.concatenate([np.maximum(targets, 0), np.maximum(-targets, 0)], axis=1)
        goals, share = after.units, after.scales
    problem = Problem(
        targets=targets,
        columns=np.arange(columns.size),
        signs=np.ones(columns.size, np.int64),
        factors=lambda units: plan.edges(stage, feeds, untaken(units, taken)).T * scales,
        elements=lambda units: plan.edges(stage + 1, untaken(units, taken), goals) * share,
        least_factor=LEAST_FACTOR,
        tolerance=layer.tolerance - MARGIN * float(np.abs(layer.augmented).max(initial=0.0)),
    )
    pools, solutions = solve_problem(problem, recipe.solver, threads=recipe.threads, progress=recipe.progress)
    return kept_copies([untaken(pool.units, taken) for pool in pools], solutions, targets.shape[1])


def untaken(numbers: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The units of these numbers, counting only those that are not taken.

    Example:
        >>> untaken(np.array([0, 1, 2]), np.array([1, 3])).tolist()
        [0, 2, 4]
    """
    most = int(numbers.max(initial=-1)) + 1 + taken.size
    return np.setdiff1d(np.arange(most), taken, assume_unique=True)[numbers]
