"""Layers from blind blocks: every port gets equally many consecutive units of the parent, whatever its targets are.

A port is one sign of one input, or the constant input of biases. Its block is fixed by its number alone, and by the
number of units in it, which the theorem of the construction gives. Inside its block the port owns the units whose
inner weight has its sign and is large enough, and each target keeps what the construction's rule picks among these.
Nothing is drawn again, and no unit of another block helps out: a target that its block cannot meet is reported as
missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from tombola.engines import map_blocks
from tombola.random_source import Law, Source
from tombola.ticket import Stage

from ._adaptive import Pool, PortSolution, Solver
from ._layer import BuiltLayer, Recipe, TargetLayer
from ._problem import Problem
from ._two_layer import _tensors, input_owned, report

FAILURE = 0.01  # the accepted probability that one or more weights of a network miss the tolerance
CHUNK = 1 << 16  # units whose inner weights are looked at in one go
ENTRIES = 1 << 22  # products that are held at a time
LARGEST_MASKS = 1 << 28  # bits

Rule = Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]
"""Which products a target keeps: `(factors (n,), rows (n, m), targets (m,), tolerance) -> bool (n, m)`."""


@dataclass(frozen=True)
class Blocks:
    """What a construction lays down for one layer before it looks at a single value of the source.

    Attributes:
        size: units in each block.
        inner: law of the inner weights and biases; a port owns a unit through one of these.
        outer: law of the outer weights.
        least_factor: the smallest inner weight, in the direction of the port's sign, that a port owns a unit through.
        rule: what a target keeps of the units that its port owns.
    """

    size: int
    inner: Law
    outer: Law
    least_factor: float
    rule: Rule


Design = Callable[[TargetLayer, int], Blocks]
"""The blocks of one layer; the number is how many targets all layers have together."""


def build_blocks(layers: list[TargetLayer], recipe: Recipe, design: Design) -> list[BuiltLayer]:
    """Every target layer from blind blocks; depth 2L.

    Raises:
        ValueError: if the masks of a layer would take more than `LARGEST_MASKS` bits, or the parent is not plain.
    """
    if not recipe.parent.plain:
        raise ValueError(
            "blind blocks are made for ReLU units with biases and uniform weights; leave the parent as it is"
        )
    count = sum(input_owned(layer, recipe.source).targets.size for layer in layers)
    return [build_layer(layer, design(layer, max(1, count)), recipe) for layer in layers]


def build_layer(layer: TargetLayer, blocks: Blocks, recipe: Recipe) -> BuiltLayer:
    """One target layer from two source layers with one block of hidden units for each port."""
    problem = with_laws(input_owned(layer, recipe.source), layer, blocks, recipe.source)
    check_room(layer.name, blocks.size * problem.columns.size, problem.targets.shape[1])

    def solve(port: int) -> tuple[Pool, PortSolution]:
        solved = solve_block(problem, port, owned_units(layer, problem, port, blocks, recipe.source), blocks.rule)
        recipe.progress(problem.active(port).size)
        return solved

    solved = map_blocks(solve, range(problem.columns.size), threads=recipe.threads)
    pools, solutions = [pool for pool, _ in solved], [solution for _, solution in solved]
    tensors = _tensors(layer, problem, pools, solutions, by_output=False)
    tensors = {
        name: replace(tensor, law=blocks.outer if tensor.transposed else blocks.inner)
        for name, tensor in tensors.items()
    }
    has_bias = layer.bias is not None
    stages = (
        Stage(layer.name, f"{layer.name}.in", f"{layer.name}.in.bias" if has_bias else None, relu=True),
        Stage(layer.name, f"{layer.name}.out", None, relu=layer.relu),
    )
    return report(layer, problem, solutions, tensors=tensors, stages=stages, by_output=False)


def with_laws(problem: Problem, layer: TargetLayer, blocks: Blocks, source: Source) -> Problem:
    """The problem with its outer weights drawn from the law of the blocks."""
    width = range(problem.targets.shape[1])
    return replace(
        problem,
        elements=lambda units: source.block(f"{layer.name}.out", blocks.outer, units, width, threads=1),
        least_factor=blocks.least_factor,
    )


def owned_units(layer: TargetLayer, problem: Problem, port: int, blocks: Blocks, source: Source) -> Pool:
    """The units of a port's block that it can own, and always the last unit of the block, with the factors of all.

    With the last unit the height of the parent is that of all blocks, used or not.
    """
    column, sign = int(problem.columns[port]), problem.signs[port]
    name = f"{layer.name}.in.bias" if column == layer.inputs else f"{layer.name}.in"
    column = 0 if column == layer.inputs else column
    last = (port + 1) * blocks.size - 1
    units, factors = [], []
    for start in range(port * blocks.size, last + 1, CHUNK):
        stop = min(start + CHUNK, last + 1)
        values = source.block(name, blocks.inner, range(start, stop), range(column, column + 1), threads=1)[:, 0]
        good = np.flatnonzero(sign * values >= blocks.least_factor)
        units.append(good + start)
        factors.append(values[good])
    pool = Pool(np.concatenate(units), np.concatenate(factors))
    if pool.units.size and pool.units[-1] == last:
        return pool
    return pool.joined(np.array([last]), np.zeros(1, np.float32))


def solve_block(problem: Problem, port: int, pool: Pool, rule: Rule) -> tuple[Pool, PortSolution]:
    """What a port keeps by the construction's rule; values and errors are sums in float64, whatever the rule did."""
    targets, active = problem.targets[port].astype(np.float64), problem.active(port)
    own = np.flatnonzero(pool.factors)
    chosen = np.zeros((pool.units.size, targets.size), np.bool_)
    values = np.zeros(targets.size)
    step = max(1, ENTRIES // max(1, own.size))
    if active.size and own.size:
        factors, rows = pool.factors[own].astype(np.float64), problem.elements(pool.units[own])
        for start in range(0, active.size, step):
            some = active[start : start + step]
            part = rows[:, some]
            kept = rule(factors, part, targets[some], problem.tolerance)
            unit, target = np.nonzero(kept)
            products = factors[unit] * part[unit, target]
            values[some] = np.bincount(target, weights=products, minlength=some.size)
            chosen[own[unit], some[target]] = True
    errors = np.abs(values - targets)
    missed = active[errors[active] > problem.tolerance]
    packed = np.packbits(chosen, axis=1, bitorder="little")
    return pool, PortSolution(packed, errors.astype(np.float32), missed, int(chosen.sum()))


def check_room(name: str, units: int, width: int) -> None:
    """Raises ValueError if the masks of so many units, an owner and `width` bits each, are too large to be held."""
    bits = units * (32 + 8 * -(-width // 8))
    if bits > LARGEST_MASKS:
        raise ValueError(
            f"layer {name!r} would take {units} hidden units with {width} outer weights each, {bits:.2g} bits of "
            f"masks, more than {LARGEST_MASKS:.2g}: allow a coarser tolerance, take a smaller network or a "
            f"construction whose blocks are smaller"
        )


def nearest_product(factors: np.ndarray, rows: np.ndarray, targets: np.ndarray, tolerance: float) -> np.ndarray:
    """The rule that keeps the one unit whose product is nearest to the target."""
    return nearest_unit(factors[:, None] * rows, targets)


def nearest_unit(offered: Float[np.ndarray, "n m"], targets: Float[np.ndarray, " m"]) -> Bool[np.ndarray, "n m"]:
    """The first of the numbers of each column that is nearest to the column's target.

    Example:
        >>> nearest_unit(np.array([[0.1, 0.1], [0.4, 0.4]]), np.array([0.2, 0.3])).T.astype(int).tolist()
        [[1, 0], [0, 1]]
    """
    chosen = np.zeros(offered.shape, np.bool_)
    chosen[np.abs(offered - targets).argmin(axis=0), np.arange(targets.size)] = True
    return chosen


def sum_rule(solver: Solver, *, most: int | None = None) -> Rule:
    """The rule that keeps what a subset-sum solver selects among the products of the first `most` units."""

    def choose(factors: np.ndarray, rows: np.ndarray, targets: np.ndarray, tolerance: float) -> np.ndarray:
        chosen = np.zeros(rows.shape, np.bool_)
        offered = (factors[:most, None] * rows[:most]).T
        chosen[:most] = solver(np.ascontiguousarray(offered), targets, epsilon=tolerance).selection.T
        return chosen

    return choose


def largest_magnitude(layer: TargetLayer) -> float:
    """The largest magnitude of a layer's weights and biases, or its tolerance where that is larger."""
    return max(float(np.abs(layer.augmented).max(initial=0.0)), layer.tolerance)


def smallest_block(chance: float, fails: Callable[[int], float], accepted: float) -> int:
    """The smallest block in which a target fails with at most the accepted probability.

    Every unit of the block can be owned with the same chance, independently, and a target with m such units fails with
    the probability `fails(m)`, which must not grow with m.

    Example:
        >>> smallest_block(0.5, lambda m: float(m == 0), 0.01)  # at least one of K fair coins: 2^-K <= 0.01
        7
    """
    known: list[float] = []

    def failure(size: int) -> float:
        known.extend(fails(m) for m in range(len(known), size + 1))
        return float(binomial(size, chance) @ np.array(known[: size + 1]))

    high = 1
    while failure(high) > accepted:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if failure(middle) > accepted else (low, middle)
    return high


def binomial(size: int, chance: float) -> Float[np.ndarray, " sizes"]:
    """The probabilities of 0, 1, ..., `size` successes.

    Example:
        >>> binomial(2, 0.5).round(12).tolist()
        [0.25, 0.5, 0.25]
    """
    m = np.arange(size + 1)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, size + 1)))])
    choices = factorials[size] - factorials[m] - factorials[size - m]
    return np.exp(choices + m * math.log(chance) + (size - m) * math.log1p(-chance))
