"""Layers that do not depend on each other, built by an engine; those that are in the store are only read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial

from tombola.engines import Workers

from ._finished_layers import FinishedLayers
from ._layer import BuiltLayer, Recipe, TargetLayer

Build = Callable[[TargetLayer, Recipe], BuiltLayer]


def build_layers(build: Build, layers: list[TargetLayer], recipe: Recipe) -> list[BuiltLayer]:
    """What `build` makes of every layer, in the order of the layers.

    The largest layers are begun first, so that no worker is left with a large one at the end. With a store every layer
    is written as soon as it is built, and read instead of built if it is there.

    Args:
        build: builds one layer from layer, source, solver and parent alone; the graph that it sees is empty. With a
            store it is known by the name under which it can be imported, and the settings of a `functools.partial`.
        layers: what is to be built.
        recipe: how, by whom, and where finished layers are kept.

    Raises:
        ValueError: with a store, if `build` or the solver cannot be imported under a name.
    """
    store = None if recipe.store is None else FinishedLayers(recipe.store, build, recipe)
    built: dict[int, BuiltLayer] = {}
    for number, layer in enumerate(layers):
        if store is not None and (found := store.load(layer)) is not None:
            built[number] = found
            recipe.progress(found.targets - found.zeroed)
    left = sorted(set(range(len(layers))) - set(built), key=lambda number: (-layers[number].weight.size, number))
    task, workers = partial(_built, build, sendable(recipe)), Workers(recipe.threads, recipe.progress)
    with closing(recipe.engine(task, [layers[number] for number in left], workers)) as results:
        for position, result in results:
            built[left[position]] = result
            if store is not None:
                store.save(layers[left[position]], result)
    return [built[number] for number in range(len(layers))]


def sendable(recipe: Recipe) -> Recipe:
    """The recipe without what stays here: weights of the target, progress, engine and store."""
    empty = replace(recipe.graph, nodes=(), layers=())
    return Recipe(empty, recipe.source, recipe.solver, parent=recipe.parent)


def _built(build: Build, recipe: Recipe, layer: TargetLayer, workers: Workers) -> BuiltLayer:
    return build(layer, replace(recipe, threads=workers.threads, progress=workers.progress))
