"""One source layer more than the target has: depth L + 1.

[Burkholz2022] Burkholz, "Most activation functions can win the lottery without excessive depth", NeurIPS 2022.

Only the first target layer is built from two source layers. From then on the *copies* that earlier layers make of a
target neuron are the pool: a target weight is a subset sum of the source weights that lead from the copies of one
neuron to one copy of another. Biases read constant neurons, which are copied along like any other.

Deviations from the paper: neurons get as many copies as the next layer turns out to need (`_adaptive.py`) instead of a
fixed number, so layers are built from the last to the first; nothing is drawn again on failure. Targets that are more
than a chain of dense layers are built in `_one_extra_graph.py`, with constants of another kind. A copy carries its own
error and errors of different copies do not cancel, so the same weight tolerance gives a less accurate network than the
two-layer construction does: the certificate says how much.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tombola.engines import in_process
from tombola.random_source import Source, Uniform
from tombola.ticket import BitMask, MaskedTensor, Stage

from ._adaptive import solve_problem
from ._layer import BuiltLayer, Recipe, TargetLayer, half_width, height_of, kept_rows, spread
from ._one_extra_graph import one_extra_graph
from ._problem import Problem
from ._two_layer import build_pair, report


def one_extra(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """Every target layer as kept edges of one source layer, and one source layer more in front; depth L + 1.

    Args:
        layers: the target's layers in order.
        recipe: the source, the solver and the workers; `subset_sum.lightest` keeps copies from amplifying errors.

    Returns:
        One record per layer. Sums are exact; that all weights meet the tolerance is heuristic and reported.

    Raises:
        UnsupportedModuleError: if the target adds its own input to something, layers read its output, or a constant
            channel cannot reach a layer that has a bias.
        ValueError: if another engine, or a store for finished layers, is asked for.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import one_extra, construct
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> len(construct(net, torch.zeros(1, 4), construction=one_extra).stages)
        3
    """
    if recipe.engine is not in_process or recipe.store is not None:
        raise ValueError("one_extra needs each layer for the one before it: it works in this process, without a store")
    if not recipe.graph.is_dense_chain():
        return one_extra_graph(layers, recipe)
    lifted = with_constants(layers)
    copies = np.arange(lifted[-1].outputs)
    width = copies.size
    built: list[BuiltLayer] = []
    for layer in reversed(lifted[1:]):
        done, owner = build_copies(layer, copies, width, recipe)
        built.append(done)
        copies, width = owner, owner.size
    built.append(build_first(lifted[0], copies, recipe))
    return built[::-1]


def with_constants(layers: list[TargetLayer]) -> list[TargetLayer]:
    """The layers of an equal network whose biases, after the first layer, are weights on a constant neuron.

    The constant of layer l is scaled to that layer's largest weight, so that it is no harder to build than a weight.
    """
    if not any(layer.bias is not None for layer in layers[1:]):
        return layers
    lifted, constant = [], 1.0
    for number, layer in enumerate(layers):
        bias = np.zeros(layer.outputs, np.float32) if layer.bias is None else layer.bias
        weight = layer.weight
        if number:
            weight, bias = np.concatenate([weight, bias[:, None] / np.float32(constant)], axis=1), None
        if number < len(layers) - 1:
            scale = half_width(weight)
            row = np.zeros((1, weight.shape[1]), np.float32)
            if bias is None:
                row[0, -1] = scale
            else:
                bias = np.append(bias, np.float32(scale))
            weight, constant = np.concatenate([weight, row]), constant * scale
        lifted.append(replace(layer, weight=weight, bias=bias))
    return lifted


def build_first(layer: TargetLayer, copies: np.ndarray, recipe: Recipe) -> BuiltLayer:
    """The first target layer, once for every copy of its outputs that the next layer uses (-1: none)."""
    used = copies >= 0
    weight = np.where(used[:, None], layer.weight[copies], np.float32(0))
    bias = None if layer.bias is None else np.where(used, layer.bias[copies], np.float32(0))
    built = build_pair(replace(layer, weight=weight, bias=bias), recipe)
    return replace(built, stages=(built.stages[0], replace(built.stages[1], copies=copies)))


def build_copies(layer: TargetLayer, copies: np.ndarray, width: int, recipe: Recipe) -> tuple[BuiltLayer, np.ndarray]:
    """One target layer between copies: the kept edges, and which neuron each unit of the layer below is a copy of.

    Args:
        layer: with its bias as a column of the weight.
        copies: `(width,)` the output neuron that each unit above stands for, -1 for none.
        width: how many units there are above.
        recipe: the source, the solver and the workers.
    """
    used = np.flatnonzero(copies >= 0)
    problem = copy_problem(layer, copies, width, recipe.source)
    pools, solutions = solve_problem(problem, recipe.solver, threads=recipe.threads, progress=recipe.progress)
    owner, packed = kept_rows(pools, solutions, np.arange(layer.inputs), height_of(pools), width=used.size)
    mask = BitMask(spread(packed, used, width), width)
    tensors = {layer.name: MaskedTensor(mask, copy_law(layer), transposed=True)}
    stage = Stage(layer.name, layer.name, None, relu=layer.relu, copies=copies)
    rows = replace(layer, weight=layer.weight[copies[used]])
    named = replace(problem, columns=np.arange(layer.inputs))
    return report(rows, named, solutions, tensors=tensors, stages=(stage,), by_output=False), owner


def copy_law(layer: TargetLayer) -> Uniform:
    """The law of the source weights between copies, scaled to the layer's largest weight."""
    return Uniform(half_width(layer.weight))


def copy_problem(layer: TargetLayer, copies: np.ndarray, width: int, source: Source) -> Problem:
    """Units are copies of input neurons; every neuron is a port with one target for each copy above that is used."""
    used, law = np.flatnonzero(copies >= 0), copy_law(layer)

    def elements(units: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(source.block(layer.name, law, units, range(width), threads=1)[:, used])

    return Problem(
        targets=layer.weight[copies[used]].T,
        columns=np.zeros(layer.inputs, np.int64),
        signs=np.zeros(layer.inputs, np.int64),
        factors=lambda units: np.ones((units.size, 1), np.float32),
        elements=elements,
        least_factor=0.0,
        tolerance=layer.tolerance,
    )
