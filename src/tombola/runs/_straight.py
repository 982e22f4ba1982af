"""Runs that go from the dense network straight to each density: no level goes on from the one before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from tombola import imp
from tombola.data import DataSet
from tombola.imp import Level
from tombola.masks import Masks
from tombola.training import Train

from ._imp_settings import ImpSettings
from ._run_imp import OnLevel, run_pruning
from ._run_levels import Finished, ImpRun

Choose = Callable[[Level, int, torch.Generator], Masks]


def one_shot(
    folder: str | os.PathLike[str], data: DataSet, settings: ImpSettings, *, on_level: OnLevel | None = None
) -> ImpRun:
    """The dense network is trained, pruned to each density at once, put back, and trained again.

    Args:
        folder: as that of `run_imp`.
        data: trained on `x_train`, evaluated on `x_test`.
        settings: those of a run of `run_imp`; level by level is pruned what level 0 came to.
        on_level: called with the record of each level that is there, and how many there will be.

    Raises:
        ValueError: if settings, data and folder do not fit together.
        OSError: if another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges.

    Example:
        >>> import pathlib, tempfile
        >>> from tombola.data import load
        >>> settings = ImpSettings("mlp:64-20-10", steps=50, densities=(0.5, 0.1))
        >>> run = one_shot(pathlib.Path(tempfile.mkdtemp()) / "run", load("digits"), settings)
        >>> [record.kept for record in run.levels]
        [1480, 740, 148]
    """
    prune = imp.by_layer if settings.by_layer else imp.everywhere
    return run_straight(
        folder,
        data,
        settings,
        method="one-shot",
        choose=lambda dense, kept, _: prune(dense.model, dense.masks, kept),
        on_level=on_level,
    )


def random_masks(
    folder: str | os.PathLike[str], data: DataSet, settings: ImpSettings, *, on_level: OnLevel | None = None
) -> ImpRun:
    """The control: at each density a random mask, with the same share in every layer, on the same initial weights.

    Args:
        folder: as that of `run_imp`.
        data: trained on `x_train`, evaluated on `x_test`.
        settings: those of a run of `run_imp`; the mask follows from the seed and the number of weights that stay.
        on_level: called with the record of each level that is there, and how many there will be.

    Raises:
        ValueError: if settings, data and folder do not fit together.
        OSError: if another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges.

    Example:
        >>> import pathlib, tempfile
        >>> from tombola.data import load
        >>> settings = ImpSettings("mlp:64-20-10", steps=50, densities=(0.5,))
        >>> run = random_masks(pathlib.Path(tempfile.mkdtemp()) / "run", load("digits"), settings)
        >>> [record.kept for record in run.levels]
        [1480, 740]
    """

    def choose(dense: Level, kept: int, generator: torch.Generator) -> Masks:
        return imp.shuffled(imp.by_layer(dense.model, dense.masks, kept), generator=generator)

    return run_straight(folder, data, settings, method="random", choose=choose, on_level=on_level)


def run_straight(
    folder: str | os.PathLike[str],
    data: DataSet,
    settings: ImpSettings,
    *,
    method: str,
    choose: Choose,
    on_level: OnLevel | None = None,
) -> ImpRun:
    """A run whose masks depend on the dense network alone, in a folder as that of `run_imp`.

    Args:
        folder: of the run.
        data: trained on `x_train`, evaluated on `x_test`.
        settings: all the rest that the outcome depends on, but for the method.
        method: its name; part of the configuration.
        choose: `(level 0, how many weights stay, generator)` to masks of the parameters that level 0 has masks of.
            `begun` of level 0 is at initialisation or the rewind point, `model` is trained. The generator follows from
            the seed and the number.
        on_level: as that of `run_imp`.
    """

    def levels(net: nn.Module, train: Train, done: Finished, arguments: dict[str, Any]) -> Iterator[Level]:
        dense = [done[0]] if done else []

        def prune(model: nn.Module, masks: Masks, kept: int) -> Masks:
            return choose(dense[0], kept, mask_generator(settings.seed, kept))

        for level in imp.imp(net, train, **{**arguments, "prune": prune}, after=done.last):
            dense = dense or [level]
            yield level

    return run_pruning(folder, data, settings, method=method, levels=levels, on_level=on_level)


def mask_generator(seed: int, kept: int) -> torch.Generator:
    """Random numbers for one mask: they follow from the seed and the number of weights that stay."""
    digest = hashlib.sha256(f"a mask of {kept} weights, seed {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
