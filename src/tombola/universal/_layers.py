"""Affine maps, and blocks made of two of them, as constructions for target networks make them.

A block's knots are made first. What they have become is what the weights behind them are fitted to, so that only the
last sums limit how close a block comes.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from tombola.effective import effective_maps
from tombola.graph import INPUT, LAYER, AffineLayer, Graph, Node
from tombola.random_source import Source
from tombola.strong import BuiltLayer, Recipe, TargetLayer
from tombola.subset_sum import sparsest
from tombola.ticket import Ticket

from ._function import Function
from ._knots import equi_error_knots, expected_knots
from ._realised import block_of_maps, linear_of_maps
from ._step import Block, Built, Linear

Construction = Callable[[list[TargetLayer], Recipe], list[BuiltLayer]]
ATTEMPTS = 24  # at a number of knots that suffices
MORE = 1.12  # times as many knots in the next attempt
TIGHT = 0.15  # of the tolerance: what the weights out of the knots may be off by, all together, as a rule
FINEST = 3e-7  # of the largest weight of an affine map
OWN = 0.4  # the same for functions with knots of their own, where nothing is lost to chords; less if that is too much
LOOSE = 0.1  # of the smallest distance of knots: how far a knot may be from where it is wanted


def affine(linear: Linear, source: Source, construction: Construction, *, relu: bool = True) -> Built:
    """An affine map on inputs that are not negative.

    Args:
        linear: what is wanted; weights no larger than its tolerance keep no edge.
        source: the random parent.
        construction: `two_layer`, `depth_leveraged(k)`, or another for dense layers.
        relu: whether a ReLU follows.

    Raises:
        ValueError: if a weight cannot be reached, or the tolerance is too fine for that.
    """
    largest = max(float(np.abs(part).max(initial=0.0)) for part in (linear.weight, linear.bias) if part is not None)
    if linear.tolerance < FINEST * largest:
        raise ValueError(
            f"{linear.name!r} needs weights of up to {largest:.3g} within {linear.tolerance:.2g}, which is finer than "
            "subset sums are made; ask for a coarser tolerance"
        )
    weight = linear.weight.astype(np.float32)
    bias = None if linear.bias is None else linear.bias.astype(np.float32)
    target = TargetLayer(linear.name, weight, bias, relu, False, linear.tolerance)
    node = Node(linear.name, LAYER, (INPUT,), weight.shape[:1])
    tensors = [None if part is None else torch.from_numpy(part) for part in (weight, bias)]
    assert tensors[0] is not None
    graph = Graph((node,), (AffineLayer(linear.name, tensors[0], tensors[1], relu),), weight.shape[1:])
    (made,) = construction([target], Recipe(graph, source, sparsest))
    if made.failures:
        worst = float(made.errors.max())
        raise ValueError(f"{linear.name!r}: {made.failures} weights miss {linear.tolerance:.2g}, by up to {worst:.2g}")
    return Built(made.tensors, made.stages)


def block_of_layers(block: Block, source: Source, construction: Construction) -> Built:
    """A block as two affine maps: into its knots, and out of them.

    Functions that are piecewise linear themselves get the knots that they have; others as many as it takes.

    Args:
        block: what is wanted; its functions start at 0.
        source: the random parent.
        construction: of both maps.

    Raises:
        ValueError: if no number of knots that was tried comes close enough.
    """
    exact = all(function.breaks for function in block.functions)
    count = 0 if exact else max(expected_knots(function, block.tolerance) for function in block.functions)
    share, error = OWN if exact else TIGHT, math.inf
    for _ in range(ATTEMPTS):
        built = _with_knots(block, source, construction, _places(block, count), share)
        error = _largest_error(block, built, source)
        if error <= block.tolerance:
            return built
        count = math.ceil(MORE * count)
        share *= 0.8 if exact else 1.0
    raise ValueError(
        f"block {block.name!r} comes within {error:.2g} with {count} knots, and {block.tolerance:.2g} was wanted; "
        "ask for a coarser tolerance"
    )


def _places(block: Block, count: int) -> np.ndarray:
    """Knots `(n + 1,)` with both ends: where the functions break, or so that pieces have the same error at most."""
    if count:
        return equi_error_knots(block.functions, count)
    low, high = block.functions[0].low, block.functions[0].high
    return np.array(
        [low, *sorted({p for function in block.functions for p in function.breaks if low < p < high}), high]
    )


def _with_knots(block: Block, source: Source, construction: Construction, places: np.ndarray, share: float) -> Built:
    """Both maps, the second one fitted to what has become of the first; weights may take their share of the error."""
    starts = places[:-1]
    room = LOOSE * float(np.diff(places).min())
    if all(function.breaks for function in block.functions):
        rises = float(np.abs(np.diff(_values(block, places), axis=1)).sum())
        room = min(room, share * block.tolerance * float(places[-1]) / max(1.0, rises))
    wanted = Linear(f"{block.name}.knots", np.ones((starts.size, 1)), -starts, room)
    knots = affine(wanted, source, construction)
    (maps,) = effective_maps(Ticket("universal", source, knots.tensors, knots.stages))
    made = linear_of_maps(wanted.name, {maps.layer: maps})
    slopes = made.weight[:, 0]
    reached = np.maximum(-made.bias / slopes, places[0])
    order = np.argsort(reached)
    found = np.concatenate([reached[order], places[-1:]])
    values = _values(block, found)
    outer = np.empty((len(values), starts.size))
    outer[:, order] = _turns(values, found) / slopes[order]
    tight = share * block.tolerance / (float(places[-1]) * math.sqrt(starts.size))
    behind = affine(Linear(f"{block.name}.values", outer, values[:, 0], tight), source, construction, relu=block.relu)
    return Built(knots.tensors | behind.tensors, knots.stages + behind.stages)


def _turns(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The changes of slope `(channels, n)` of broken lines with these values at these `(n + 1,)` places."""
    return np.diff(np.diff(values, axis=1) / np.diff(places), prepend=0.0, axis=1)


def _values(block: Block, places: np.ndarray) -> np.ndarray:
    """What each channel is at the knots `(channels, n)`, shifted so that errors on both sides of a piece are equal."""
    return np.stack([_balanced(function, places) for function in block.functions])


def _balanced(function: Function, places: np.ndarray) -> np.ndarray:
    values = function.value(places)
    if function.breaks:
        return values
    steps = np.linspace(0, 1, 65)
    points = places[:-1, None] + np.diff(places)[:, None] * steps
    chords = values[:-1, None] + np.diff(values)[:, None] * steps
    errors = chords - function.value(points.ravel()).reshape(points.shape)
    worst = np.take_along_axis(errors, np.abs(errors).argmax(axis=1)[:, None], axis=1)[:, 0]
    ends = np.concatenate([worst[:1], worst, worst[-1:]])
    return values - (ends[1:] + ends[:-1]) / 4


def _largest_error(block: Block, built: Built, source: Source) -> float:
    """The largest error on a fine grid, to tell whether there are knots enough; it proves nothing."""
    maps = {one.layer: one for one in effective_maps(Ticket("universal", source, built.tensors, built.stages))}
    made = block_of_maps(block.name, maps, block.functions, relu=block.relu)
    x = np.linspace(block.functions[0].low, block.functions[0].high, 16385)
    pairs = zip(made.functions, block.functions, strict=True)
    return max(float(np.abs(ours(x) - function.value(x)).max()) for ours, function in pairs)
