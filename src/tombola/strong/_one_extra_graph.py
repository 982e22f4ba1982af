"""One source layer more than the target has, for convolutions, residual blocks and other graphs.

[Burkholz2022] Burkholz, "Most activation functions can win the lottery without excessive depth", NeurIPS 2022.
[BurkholzConv2022] Burkholz, "Convolutional and residual networks provably contain lottery tickets", ICML 2022.

As in `_one_extra.py`, copies of channels are the pools of the next layer, and every tap of a filter is a target of its
own. Results that are added share the numbers of their copies: copy u of one is added to copy u of the other, so that
an identity skip needs no edges at all. A projection is a layer like any other, whose results join a stream.

Deviation from the papers: a constant is a unit that keeps nothing but its own bias in one layer of its stream, the
first one that will do. Skips carry it on from there, and nothing rebuilds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tombola.errors import UnsupportedModuleError
from tombola.random_source import Source, Uniform
from tombola.ticket import BitMask, Mask, MaskedTensor, OwnerMask, Stage

from ._adaptive import Pool, solve_problem
from ._layer import BuiltLayer, Recipe, TargetLayer, column_mask, half_width, height_of, kept_rows, spread
from ._problem import Problem
from ._stream_copies import StreamCopies
from ._two_layer import LEAST_FACTOR, UNIT_LAW, build_pair, report

Values = Callable[[np.ndarray], np.ndarray]


def one_extra_graph(layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """Every layer that takes the network's input as a pair, every other one as kept edges of one source layer.

    Args:
        layers: the target's layers in order.
        recipe: the graph, the source, the solver and the workers.

    Raises:
        UnsupportedModuleError: if copies of channels cannot stand for the channels of this target, or a constant
            channel cannot reach a layer that has a bias.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import construct, one_extra
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2))
        >>> ticket = construct(net, torch.zeros(1, 1, 4, 4), construction=one_extra)
        >>> [stage.weight for stage in ticket.stages]
        ['0.in', '0.out', '3']
    """
    copies, built = StreamCopies(recipe.graph), []
    for layer in reversed(layers):
        if copies.streams.first(layer.name):
            built.append((layer.taps, _first(layer, copies, recipe)))
        else:
            grained = with_grain(layer, copies.streams.grains[copies.streams.takes[layer.name]])
            built.append((grained.taps, _between(grained, copies, recipe)))
    return [_finished(one, taps, copies) for taps, one in reversed(built)]


def with_grain(layer: TargetLayer, grain: int) -> TargetLayer:
    """A dense layer on flattened images as one on channels whose pixels are taps."""
    if grain == 1:
        return layer
    weight = layer.weight.reshape(layer.outputs, -1, grain).transpose(0, 2, 1).reshape(layer.outputs * grain, -1)
    bias = None if layer.bias is None else np.kron(layer.bias, np.eye(1, grain, dtype=np.float32)[0])
    return replace(layer, weight=np.ascontiguousarray(weight), bias=bias, taps=grain, bias_tap=0)


def repeated(layer: TargetLayer, channels: np.ndarray) -> TargetLayer:
    """The layer with these output channels, one after the other; -1 for one of zeros."""
    used = channels >= 0
    weight = layer.weight.reshape(-1, layer.taps, layer.inputs)[channels] * used[:, None, None]
    bias = None if layer.bias is None else (layer.bias.reshape(-1, layer.taps)[channels] * used[:, None]).ravel()
    return replace(layer, weight=np.ascontiguousarray(weight.reshape(-1, layer.inputs), np.float32), bias=bias)


def _first(layer: TargetLayer, copies: StreamCopies, recipe: Recipe) -> BuiltLayer:
    """A layer that takes the network's input, once for every copy of its outputs that is needed."""
    return build_pair(repeated(layer, copies.at(layer.name)), recipe)


def _between(layer: TargetLayer, copies: StreamCopies, recipe: Recipe) -> BuiltLayer:
    """A layer between copies; units below it become copies as they are used."""
    above, pools, makers, values = copies.at(layer.name), copies.pools(layer.name), [], {}
    if layer.bias is not None:
        pool, makers, values = _constants(layer, copies, recipe)
        pools.append(pool)
    problem = wide_problem(layer, above, recipe.source, values[makers[0]] if makers else _nothing)
    pools, solutions = solve_problem(
        problem,
        recipe.solver,
        threads=recipe.threads,
        progress=recipe.progress,
        pools=pools,
        taken=copies.taken(layer.name),
    )
    ports, columns = np.arange(len(pools)), used_columns(layer, above)
    owner, packed = kept_rows(pools, solutions, ports, height_of(pools), width=columns.size)
    copies.take(layer.name, owner, makers[0] if makers else None)
    mask = BitMask(spread(packed, columns, above.size * layer.taps), above.size * layer.taps)
    tensors = {layer.name: MaskedTensor(mask, wide_law(layer), transposed=True)}
    stage = Stage(layer.name, layer.name, None, relu=layer.relu)
    rows = replace(repeated(layer, above[above >= 0]), signed=False)
    named = replace(problem, columns=ports)
    return report(rows, named, solutions, tensors=tensors, stages=(stage,), by_output=False)


def wide_law(layer: TargetLayer) -> Uniform:
    """The law of the source weights between copies, scaled to the layer's weights and biases."""
    return Uniform(half_width(layer.augmented))


def used_columns(layer: TargetLayer, above: np.ndarray) -> np.ndarray:
    """The columns of a layer's tensor that lead to copies."""
    return (np.flatnonzero(above >= 0)[:, None] * layer.taps + np.arange(layer.taps)).ravel()


def _nothing(units: np.ndarray) -> np.ndarray:
    """No unit is a constant."""
    return np.zeros(units.size)


def _constants(layer: TargetLayer, copies: StreamCopies, recipe: Recipe) -> tuple[Pool, list[str], dict[str, Values]]:
    """The constants below a layer that are there already, the layers that can make more, and what these are worth."""
    assert layer.bias is not None
    makers = copies.makers(layer.name) if recipe.parent.biases else []
    feed = copies.streams.takes[layer.name]
    if not makers and (np.abs(layer.bias) > layer.tolerance).any():
        found = "a bias that no constant channel reaches"
        wanted = ("in one_extra, pooling without counted padding and parents with biases", "any in two_layer")
        raise UnsupportedModuleError(layer.name, found, wanted)

    def values_of(maker: str) -> Values:
        name = bias_name(maker, copies)
        return lambda units: copies.values(
            maker, feed, recipe.source.block(name, UNIT_LAW, units, range(1), threads=1)[:, 0]
        )

    values = {maker: values_of(maker) for maker in makers}
    there = {maker: of(np.arange(copies.width_below(layer.name))) for maker, of in values.items()}
    return copies.constant_pool(layer.name, there, LEAST_FACTOR), makers, values


def bias_name(layer: str, copies: StreamCopies) -> str:
    """The tensor of the biases of the units that stand for a layer's outputs."""
    return f"{layer}.out.bias" if copies.streams.first(layer) else f"{layer}.bias"


def wide_problem(layer: TargetLayer, above: np.ndarray, source: Source, values: Values) -> Problem:
    """Every channel below a layer is a port, and so is the constant, with one target for each tap of each copy above.

    A unit can become a copy of any channel, but a constant only if it is worth something.

    Args:
        layer: with its pixels as taps, where it takes flattened images.
        above: `(width,)` the channel that each unit of its result is a copy of, -1 for none.
        source: the random parent.
        values: what units are worth as constants.
    """
    rows, columns, width = repeated(layer, above[above >= 0]), used_columns(layer, above), above.size * layer.taps
    ports, law = layer.augmented.shape[1], wide_law(layer)

    def factors(units: np.ndarray) -> np.ndarray:
        copied = np.ones((units.size, 1), np.float32)
        if layer.bias is None:
            return copied
        return np.concatenate([copied, values(units)[:, None].astype(np.float32)], axis=1)

    def elements(units: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(source.block(layer.name, law, units, range(width), threads=1)[:, columns])

    return Problem(
        targets=rows.augmented.T,
        columns=(np.arange(ports) >= layer.inputs).astype(np.int64),
        signs=np.ones(ports, np.int64),
        factors=factors,
        elements=elements,
        least_factor=LEAST_FACTOR,
        tolerance=layer.tolerance,
    )


def _finished(built: BuiltLayer, taps: int, copies: StreamCopies) -> BuiltLayer:
    """The layer with its masks as wide as its streams turned out to be, and the biases of constants."""
    last = built.stages[-1]
    width, constant = copies.width(last.layer), copies.constants(last.layer)
    tensor = built.tensors[last.weight]
    rows = copies.width_below(last.layer) if len(built.stages) == 1 else tensor.mask.shape[0]
    mask = _resized(tensor.mask, rows, width * taps)
    tensors = {**built.tensors, last.weight: replace(tensor, mask=mask)}
    stage = replace(last, copies=copies.at(last.layer).astype(np.int32))
    if constant.any():
        name = bias_name(last.layer, copies)
        tensors[name] = MaskedTensor(column_mask(constant), UNIT_LAW)
        stage = replace(stage, bias=name)
    return replace(built, tensors=tensors, stages=(*built.stages[:-1], stage))


def _resized(mask: Mask, rows: int, columns: int) -> Mask:
    """The mask with rows and columns more in which nothing is kept, or fewer of such."""
    if isinstance(mask, OwnerMask):
        return OwnerMask(mask.owner, columns)
    packed = np.zeros((rows, -(-columns // 8)), np.uint8)
    kept = mask.packed[:rows]
    packed[: len(kept), : kept.shape[1]] = kept
    return BitMask(packed, columns)
