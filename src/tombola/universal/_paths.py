"""Blocks of free kinks: a hidden unit is taken as it is, and its kink is where chance has put it.

Only the weights out of the hidden units are subset sums, of one or two products through relays. So a knot takes three
or four kept edges, and where there are many units to choose from, hardly more knots than the best broken line has.
What the kinks leave over is a straight line: two subset sums more, chosen last, make up for all that went before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tombola.random_source import Source, Uniform
from tombola.subset_sum import sparsest
from tombola.ticket import MaskedTensor, OwnerMask, Stage, pack

from ._function import Function
from ._knots import expected_knots
from ._step import Block, Built
from ._tube import BrokenLine, Tube, follow

RELAYS = 24  # of each channel
PLACES = 10  # hidden units with a kink inside, for each knot that is expected
CARRIERS = 6  # hidden units that may carry the slope of the straight part, and its level
OFFERED = 28  # products to a subset sum of the straight part
LINE = 0.05  # of the tolerance that the straight part may be off by
GAP = 0.01  # of the tolerance that a function may bend between two points of the grid
UNIT_LAW = Uniform(1.0)


@dataclass(frozen=True, eq=False)
class _Units:
    """The hidden units of a block and the relays of one channel.

    Attributes:
        inner: `(hidden,)` float64 weights into hidden units.
        bias: `(hidden,)` their biases.
        relays: `(relays, hidden)` weights from hidden units into relays, 0 where one is not positive.
        constants: `(relays,)` biases of relays, 0 where one is not positive.
        outer: `(relays,)` weights out of relays.
    """

    inner: np.ndarray
    bias: np.ndarray
    relays: np.ndarray
    constants: np.ndarray
    outer: np.ndarray


@dataclass(frozen=True, eq=False)
class _Kept:
    """The kept edges of one channel, as masks of the arrays of its units."""

    inner: np.ndarray
    bias: np.ndarray
    relays: np.ndarray
    constants: np.ndarray


def block_of_paths(block: Block, source: Source, *, width: int) -> Built:
    """A block whose hidden units keep a random weight and a random bias each.

    Args:
        block: what is wanted; its functions start at 0.
        source: the random parent.
        width: the most hidden units that there may be.

    Returns:
        The masks. How close they come is for a certificate to say.

    Raises:
        ValueError: if no more than `width` hidden units do not suffice.
    """
    knots = max(expected_knots(function, block.tolerance) for function in block.functions)
    hidden = min(width, 2 ** math.ceil(math.log2(4 * PLACES * knots)))  # a quarter of the units has its kink inside
    while hidden <= width:
        kept = [_channel(block, source, channel, hidden) for channel in range(len(block.functions))]
        found = [one for one in kept if one is not None]
        if len(found) == len(kept):
            return _assembled(block, found)
        hidden *= 2
    raise ValueError(
        f"block {block.name!r} with a tolerance of {block.tolerance:.2g} needs more than the {width} hidden units "
        "of its source; give it a wider one, or ask for less"
    )


def _channel(block: Block, source: Source, channel: int, hidden: int) -> _Kept | None:
    """The edges of one channel, or None if the units do not suffice."""
    function = block.functions[channel]
    units = _drawn(block, source, channel, hidden)
    inside = np.flatnonzero((units.inner * units.bias < 0) & (-units.bias / units.inner < function.high))
    owner, pairs, changes = _candidates(units, inside)
    places = -units.bias[owner] / units.inner[owner]
    order = np.argsort(places, kind="stable")
    costs = 2 + (pairs >= 0).sum(axis=1)
    line = follow(_tube(function, block.tolerance), places[order], changes[order], costs[order])
    if line is None:
        return None
    chosen = order[line.kinks]
    kept = np.zeros_like(units.relays, np.bool_)
    for unit, pair in zip(owner[chosen], pairs[chosen], strict=True):
        kept[pair[pair >= 0], unit] = True
    return _with_straight_part(units, owner[chosen], changes[chosen], kept, line, block)


def _drawn(block: Block, source: Source, channel: int, hidden: int) -> _Units:
    """The source's values: kinks of hidden units fill the interval evenly, sums through relays suit the function."""
    relays = range(channel * RELAYS, (channel + 1) * RELAYS)
    laws, names = _tensor_laws(block), _tensor_names(block)
    inner, bias, fan, constants, outer = (
        source.block(name, law, rows, columns).astype(np.float64)
        for name, law, rows, columns in zip(
            names,
            laws,
            (range(hidden), range(hidden), relays, relays, relays),
            (range(1), range(1), range(hidden), range(1), range(channel, channel + 1)),
            strict=True,
        )
    )
    return _Units(inner[:, 0], bias[:, 0], np.maximum(fan, 0), np.maximum(constants[:, 0], 0), outer[:, 0])


def _tensor_names(block: Block) -> tuple[str, str, str, str, str]:
    """The parent's tensors: into hidden units and their biases, into relays and their biases, out of relays."""
    knots, values = f"{block.name}.knots", f"{block.name}.values"
    return knots, f"{knots}.bias", f"{values}.in", f"{values}.in.bias", f"{values}.out"


def _tensor_laws(block: Block) -> tuple[Uniform, Uniform, Uniform, Uniform, Uniform]:
    """Their laws. Biases of hidden units reach as far as the interval, outer weights as far as kinks need them to."""
    high = max(function.high for function in block.functions)
    turns = [_turn(function, block.tolerance) for function in block.functions]
    return UNIT_LAW, Uniform(high), UNIT_LAW, UNIT_LAW, Uniform(2.0 ** round(math.log2(8 * max(turns))))


def _turn(function: Function, tolerance: float) -> float:
    """By how much the slope changes at a knot, on average; or a share of what the straight part has to carry."""
    x = np.linspace(function.low, function.high, 4097)
    values = function.value(x)
    slopes = np.diff(values) / np.diff(x)
    knot = float(np.abs(np.diff(slopes)).sum()) / expected_knots(function, tolerance)
    return max(knot, float(np.abs(slopes[0])) / 16, float(np.abs(values[0])) / 16, tolerance)


def _tube(function: Function, tolerance: float) -> Tube:
    """The tube of a function, a little narrower than its tolerance, on a grid so fine that nothing slips through."""
    x = np.linspace(function.low, function.high, 4097)
    bend = np.abs(np.diff(function.value(x), 2)).max() / 8
    finer = max(1, math.ceil(math.sqrt(bend / (GAP * tolerance))))
    x = np.linspace(function.low, function.high, 4096 * finer + 1)
    values, half = function.value(x), (1 - LINE - GAP) * tolerance
    return Tube(x, values - half, values + half)


def _candidates(units: _Units, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All kinks: the hidden unit, the one or two relays that read it (-1: none), and the change of slope."""
    products = units.outer[:, None] * units.relays[:, inside] * np.abs(units.inner[inside])
    first, second = np.triu_indices(RELAYS)
    pairs = np.stack([first, np.where(first == second, -1, second)], axis=1)
    single = second == first
    sums = products[first] + np.where(single[:, None], 0.0, products[second])
    usable = (products[first] != 0) & ((products[second] != 0) | single[:, None])
    pair, place = np.nonzero(usable)
    return inside[place], pairs[pair], sums[pair, place]


def _with_straight_part(
    units: _Units, owner: np.ndarray, changes: np.ndarray, kept: np.ndarray, line: BrokenLine, block: Block
) -> _Kept | None:
    """The edges of the kinks and those of a straight line, so that both together are the broken line."""
    places = -units.bias[owner] / units.inner[owner]
    leftward = units.inner[owner] < 0  # such a unit bends where another would, and falls to the left of its kink
    slope = line.slope + float(changes[leftward].sum())
    value = line.value - float((changes * places)[leftward].sum())
    high, room = max(function.high for function in block.functions), LINE / 3 * block.tolerance
    never_bent = np.flatnonzero((units.inner > 0.5) & (units.bias > high / 2))
    risers = never_bent[np.argsort(-units.inner[never_bent], kind="stable")[:CARRIERS]]
    rest = np.setdiff1d(never_bent, risers)
    levels = rest[np.argsort(-units.bias[rest], kind="stable")[:CARRIERS]]
    chosen, reached, met = _summed(_through(units, risers, units.inner), slope, room / high)
    kept[:, risers] = chosen.reshape(RELAYS, -1)
    offered = np.concatenate([_through(units, levels, units.bias), units.outer * units.constants])
    chosen, _, also = _summed(offered, value - (reached - slope) * high / 2, room)
    kept[:, levels] = chosen[:-RELAYS].reshape(RELAYS, -1)
    if not (met and also):
        return None
    inner, bias = np.zeros((2, units.inner.size), np.bool_)
    inner[owner] = bias[owner] = True
    inner[risers] = kept[:, risers].any(axis=0)
    bias[levels] = kept[:, levels].any(axis=0)
    return _Kept(inner, bias, kept, chosen[-RELAYS:])


def _through(units: _Units, hidden: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """What every relay passes on of some hidden units that keep one edge each, relay by relay."""
    return (units.outer[:, None] * units.relays[:, hidden] * factors[hidden]).ravel()


def _summed(offered: np.ndarray, target: float, epsilon: float) -> tuple[np.ndarray, float, bool]:
    """The candidates whose sum is the target, their sum, and whether it is so up to epsilon."""
    order = np.argsort(offered, kind="stable")
    middle = np.s_[OFFERED // 2 : max(OFFERED // 2, order.size - OFFERED // 2)]
    most = np.delete(order, middle)  # the largest of each sign, and each of them once
    sums = sparsest(offered[most], np.array([target]), epsilon=epsilon)
    chosen = np.zeros(offered.size, np.bool_)
    chosen[most] = sums.selection[0]
    return chosen, float(sums.value[0]), bool(sums.met[0])


def _assembled(block: Block, kept: list[_Kept]) -> Built:
    """Masks and stages of all channels together."""
    inner, bias = (np.any([getattr(one, part) for one in kept], axis=0) for part in ("inner", "bias"))
    relays = np.concatenate([one.relays for one in kept])
    constants = np.concatenate([one.constants for one in kept])
    used = relays.any(axis=1) | constants
    owner = np.where(used, np.repeat(np.arange(len(kept)), RELAYS), -1).astype(np.int32)
    masks = (
        pack(inner[:, None]),
        pack(bias[:, None]),
        pack(relays),
        pack(constants[:, None]),
        OwnerMask(owner, len(kept)),
    )
    names = _tensor_names(block)
    tensors = {
        name: MaskedTensor(mask, law, transposed=name == names[-1])
        for name, mask, law in zip(names, masks, _tensor_laws(block), strict=True)
    }
    stages = (
        Stage(names[0], names[0], names[1], relu=True),
        Stage(f"{block.name}.values", names[2], names[3], relu=True),
        Stage(f"{block.name}.values", names[4], None, relu=block.relu),
    )
    return Built(tensors, stages)
