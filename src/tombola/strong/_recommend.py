"""What each construction would cost for a target, side by side, and which one to take."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from torch import Tensor, nn

from tombola.errors import UnsupportedModuleError
from tombola.graph import Graph, read_graph
from tombola.random_source import Source
from tombola.subset_sum import counting_bound, sparsest

from ._ball import Ball
from ._blocks import Blocks
from ._construct import Construction
from ._estimate import estimate
from ._fixed_size import fixed_size, sized_blocks
from ._golden_ratio import golden_blocks, golden_ratio
from ._input_sets import InputSet
from ._layer import Recipe, TargetLayer
from ._malach_box import box_blocks, malach_box
from ._malach_product import malach_product, product_blocks
from ._one_extra import one_extra
from ._pensia import pensia, subset_blocks
from ._targets import targets
from ._tolerance import Tolerance
from ._two_layer import input_owned, two_layer

Sizes = Callable[[TargetLayer, int], Blocks]


@dataclass(frozen=True)
class Recommendation:
    """What one construction needs for a target.

    Attributes:
        construction: to be given to `construct`.
        name: of it.
        depth: source layers.
        widths: hidden units of the parent, layer by layer.
        source_parameters: weights of the parent.
        over_bound: that over the fewest which any parent can have, by counting.
        basis: "measured" on a sample of the target's weights, or "theory": the theorem's own block sizes.
        reason: when to take it.
    """

    construction: Construction
    name: str
    depth: int
    widths: tuple[int, ...]
    source_parameters: int
    over_bound: float
    basis: str
    reason: str


def recommend(
    model: nn.Module,
    example: Tensor,
    *,
    tolerance: Tolerance | None = None,
    inputs: InputSet | None = None,
) -> list[Recommendation]:
    """Width, depth and parent of every construction that takes a target, the smallest parent first.

    The first entry is the one to take unless a reason further down is yours: a shallower network, tickets with a given
    number of edges to a weight, or a theorem's own probability of success. Sizes of `two_layer` and `one_extra` are
    measured on a sample of the target's weights (heuristic, within about a third; for `one_extra` on graphs within a
    factor of two to three); those of blind blocks are what their theorems ask for (exact). Constructions that a target
    or tolerance rules out are left out. Takes about a second.

    Args:
        model: the target.
        example: one batch of its inputs.
        tolerance: as `construct` takes it.
        inputs: likewise.

    Example:
        >>> import torch
        >>> target = nn.Sequential(nn.Linear(20, 10, bias=False), nn.ReLU(), nn.Linear(10, 5, bias=False))
        >>> found = recommend(target, torch.zeros(1, 20), inputs=Ball(nonnegative=True))
        >>> found[0].name, [one.name for one in found if one.depth == 3]
        ('two_layer', ['one_extra'])
    """
    tolerance, inputs = tolerance or Tolerance(), inputs or Ball(1.0)
    graph = read_graph(model, example)
    layers = targets(graph, tolerance, inputs)
    found = [_sampled(model, example, two_layer, "smallest parent and ticket", tolerance, inputs, 2 * len(layers))]
    with suppress(UnsupportedModuleError):
        found.append(_sampled(model, example, one_extra, "about half the depth", tolerance, inputs, len(layers) + 1))
    found += [one for blind in _blind(graph) if (one := _by_theory(*blind, layers, tolerance)) is not None]
    return sorted(found, key=lambda one: one.source_parameters)


def _sampled(
    model: nn.Module,
    example: Tensor,
    construction: Construction,
    reason: str,
    tolerance: Tolerance,
    inputs: InputSet,
    depth: int,
) -> Recommendation:
    found = estimate(model, example, construction=construction, tolerance=tolerance, inputs=inputs)
    over = found.source_parameters / found.counting_bound
    name = construction.__name__
    return Recommendation(construction, name, depth, found.widths, found.source_parameters, over, "measured", reason)


def _blind(graph: Graph) -> list[tuple[Construction, Sizes, str]]:
    """The constructions from blind blocks, with their block sizes and reasons."""
    recipe = Recipe(graph, Source(0), sparsest)
    sums = "blocks fixed beforehand, as in the theorem"
    return [
        (pensia, lambda layer, count: subset_blocks(layer, count, recipe), sums),
        *[
            (fixed_size(k), lambda layer, count, k=k: sized_blocks(layer, count, k=k), f"{k} edges to every weight")
            for k in (2, 3, 4)
        ],
        (golden_ratio, golden_blocks, "a greedy walk instead of a search"),
        (malach_product, product_blocks, "one edge to every weight"),
        (malach_box, box_blocks, "the first proof"),
    ]


def _by_theory(
    construction: Construction, sizes: Sizes, reason: str, layers: list[TargetLayer], tolerance: Tolerance
) -> Recommendation | None:
    """The parent that a theorem asks for; None where it refuses the tolerance."""
    ports = [input_owned(layer, Source(0)).targets.shape for layer in layers]
    count = sum(rows * columns for rows, columns in ports)
    try:
        widths = [sizes(layer, count).size * rows for layer, (rows, _) in zip(layers, ports, strict=True)]
    except ValueError:
        return None
    pairs = zip(widths, layers, strict=True)
    total = sum(width * (layer.augmented.shape[1] + layer.outputs) for width, layer in pairs)
    epsilon = tolerance.weight_epsilon
    bound = sum(counting_bound(one.parameters.size, one.tolerance if tolerance.absolute else epsilon) for one in layers)
    name = construction.__name__
    return Recommendation(construction, name, 2 * len(layers), tuple(widths), total, total / bound, "theory", reason)
