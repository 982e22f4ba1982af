"""Iterative magnitude pruning: train, prune, go back, and again.

References:
    [Frankle2019] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
        ICLR 2019.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from tombola.masks import Masks
from tombola.schedules import Schedule, geometric
from tombola.training import Train

from ._level_start import level_generator, masked_copy
from ._prunable import everywhere, parameters_with, prunable
from ._rewind import Begin, Rewind, weights

Prune = Callable[[nn.Module, Masks, int], Masks]


@dataclass(frozen=True, eq=False)
class Level:
    """One level of pruning.

    Attributes:
        number: 0 for the dense network.
        kept: how many of the prunable weights are kept.
        density: the same as a fraction.
        masks: of the prunable parameters.
        begun: the weights that training of this level began with, pruned ones at zero: the ticket.
        model: what it came to; pruned weights are zero.
        step: at which its training ended.
    """

    number: int
    kept: int
    density: float
    masks: Masks
    begun: nn.Module
    model: nn.Module
    step: int


def imp(  # noqa: PLR0913 - one for each part of the algorithm
    model: nn.Module,
    train: Train,
    *,
    stop: int,
    schedule: Schedule | None = None,
    rewind: Rewind | None = None,
    prune: Prune = everywhere,
    names: Sequence[str] | None = None,
    seed: int = 0,
    after: Level | None = None,
) -> Iterator[Level]:
    """The levels of iterative magnitude pruning, one after the other [Frankle2019].

    Level 0 trains the dense network. Every other one prunes what the level before came to, puts weights back as
    `rewind` says, and trains again. Biases and batch norm are never pruned, and go back with the weights. Every level
    has random numbers of its own, which follow from the seed and the level's number alone.

    Args:
        model: at initialisation; it stays as it is.
        train: called with a model, masks, `start`, `stop` and a generator, as `training.Trainer` is.
        stop: the steps of a whole run.
        schedule: how many weights each level keeps; default: 20 levels of 80 % each.
        rewind: `weights(step)` (default: to initialisation), `learning_rate(...)`, `fine_tuning(...)` or
            `reinitialisation(...)`.
        prune: `everywhere` (default), `by_layer`, or one of the caller's, from model, masks and a number to masks.
        names: the parameters that are pruned; default: `prunable(model)`.
        seed: of the order of examples and whatever else training draws.
        after: a level of an earlier, equal run; the levels behind it follow, the same as if that run had gone on.

    Yields:
        The levels, each when it is trained.

    Raises:
        ValueError: at the first level, if the rewind point lies beyond the run, a name is none of a parameter, or the
            schedule or `after` does not fit.

    Example:
        >>> from tombola import data, models, schedules, training
        >>> digits = data.load("digits")
        >>> net = models.build("mlp:64-20-10", generator=torch.Generator().manual_seed(0))
        >>> train = training.Trainer(digits, steps=60)
        >>> [level.kept for level in imp(net, train, stop=60, schedule=schedules.geometric(3, factor=0.5))]
        [1480, 740, 370, 185]
    """
    rewind = rewind or weights()
    if not 0 <= rewind.step < stop:
        raise ValueError(f"the rewind point {rewind.step} lies beyond the run, which has {stop} steps")
    masks = _everything(model, prunable(model) if names is None else names)
    total = sum(mask.numel() for mask in masks.values())
    counts = (schedule or geometric(20))(total)
    first = 0 if after is None else _behind(after, counts)
    if first == len(counts):
        return
    remembered = copy.deepcopy(model)
    if rewind.step:
        remembered = train(model, {}, start=0, stop=rewind.step, generator=level_generator(seed, -1))
    begin, trained = Begin(remembered, rewind.step, stop), remembered
    if after is not None:
        masks, trained = after.masks, after.model
    for number, kept in enumerate(counts[first:], first):
        generator = level_generator(seed, number)
        if number:
            masks = prune(trained, masks, kept)
            begin = rewind.begin(remembered, trained, stop, generator)
        begun = masked_copy(begin.model, masks)
        trained = train(begun, masks, start=begin.start, stop=begin.stop, generator=generator)
        yield Level(number, kept, kept / total, masks, begun, trained, begin.stop)


def _everything(model: nn.Module, names: Sequence[str]) -> Masks:
    """Masks that keep all of some parameters."""
    parameters = parameters_with(model, names)
    return {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in names}


def _behind(after: Level, counts: list[int]) -> int:
    """The number of the level behind a finished one."""
    if not (after.number < len(counts) and counts[after.number] == after.kept):
        raise ValueError(f"level {after.number} with {after.kept} weights is none of this run, which keeps {counts}")
    return after.number + 1
