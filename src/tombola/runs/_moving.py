"""Runs that begin with random masks of an ERK allocation, which stay or move while the network trains.

References:
    [Mocanu2018] D. C. Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity
        inspired by network science", Nature Communications 9, 2018.
    [Evci2020] U. Evci, T. Gale, J. Menick, P. S. Castro, E. Elsen, "Rigging the lottery: making all tickets winners",
        ICML 2020.
    [Jayakumar2021] S. M. Jayakumar, R. Pascanu, J. W. Rae, S. Osindero, E. Elsen, "Top-KAST: top-k always sparse
        training", NeurIPS 2020, arXiv 2106.03517.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn

from tombola.allocate import erk, random_masks
from tombola.data import DataSet
from tombola.dynamic import DynamicMasks, rigl, sparse_evolution, top_kast
from tombola.imp import Level
from tombola.masks import Masks, bake_
from tombola.training import Train

from ._imp_settings import ImpSettings
from ._run_imp import OnLevel, run_pruning
from ._run_levels import Finished, ImpRun
from ._straight import mask_generator
from ._timed_training import TimedTraining

Attach = Callable[[torch.optim.Optimizer, nn.Module, Masks], DynamicMasks]
Moving = Callable[[int, int, torch.Generator], Attach]


def moving(
    folder: str | os.PathLike[str],
    data: DataSet,
    settings: ImpSettings,
    *,
    method: str,
    move: Moving | None = None,
    on_level: OnLevel | None = None,
) -> ImpRun:
    """At each density a random mask of an ERK allocation is trained from initialisation, and moves or stays.

    Level 0 is the dense network. The ticket of a level holds the masks that training ended with, and the weights that
    they had at initialisation.

    Args:
        folder: as that of `run_imp`.
        data: likewise.
        settings: likewise; nothing goes back, so `reset` and `rewind` stay as they are by default.
        method: its name; part of the configuration.
        move: `(steps, every, generator)` to a method of `tombola.dynamic`; None for masks that stay. Masks move about
            twenty times in a run, and not more often than every step nor less often than every 100.
        on_level: as that of `run_imp`.

    Raises:
        ValueError: if settings, data and folder do not fit together, or weights are to go back.
        OSError: if another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges.
    """
    if settings.reset != "weights" or settings.rewind:
        raise ValueError(f"{method} trains from initialisation; leave reset and rewind out")
    every = min(100, max(1, settings.steps // 20))

    def levels(net: nn.Module, train: Train, done: Finished, arguments: dict[str, Any]) -> Iterator[Level]:
        assert isinstance(train, TimedTraining)
        shapes = {name: net.get_parameter(name).shape for name in arguments["names"]}
        total = sum(shape.numel() for shape in shapes.values())
        for number, kept in enumerate(arguments["schedule"](total)[len(done) :], len(done)):
            generator = mask_generator(settings.seed, kept)
            masks = random_masks(shapes, erk(shapes, kept / total), generator=generator)
            attached: list[DynamicMasks] = []
            loop = train
            if move is not None and number:
                attach = partial(_attach, move(settings.steps, every, generator), attached)
                loop = train.under(attach)
            trained = loop(net, masks, start=0, stop=settings.steps, generator=generator)
            if attached:
                masks = {name: mask.cpu() for name, mask in attached[0].masks.items()}
            begun = copy.deepcopy(net)
            bake_(begun, masks)
            yield Level(number, kept, kept / total, masks, begun, trained, settings.steps)

    return run_pruning(folder, data, settings, method=method, levels=levels, on_level=on_level)


def _attach(
    method: Attach, attached: list[DynamicMasks], optimiser: torch.optim.Optimizer, model: nn.Module, masks: Masks
) -> None:
    """Attaches a method and remembers its handle."""
    attached.append(method(optimiser, model, masks))


def moved(move: Moving, method: str) -> partial[ImpRun]:
    """A method for sweeps."""
    return partial(moving, method=method, move=move)


MOVING = {
    "static": partial(moving, method="static"),
    "set": moved(lambda steps, every, draw: sparse_evolution(steps=steps, every=every, generator=draw), "set"),
    "rigl": moved(lambda steps, every, draw: rigl(steps=steps, every=every, generator=draw), "rigl"),
    "top-kast": moved(lambda steps, every, draw: top_kast(every=every, generator=draw), "top-kast"),
}
