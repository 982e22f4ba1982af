"""Runs that go from the dense network straight to each density: no level goes on from the one before."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import nn

from tombola import imp
from tombola.data import DataSet
from tombola.masks import Masks
from tombola.models import build

from ._imp_settings import ImpSettings
from ._level_files import LevelFiles, LevelRecord
from ._run_folder import RunFolder
from ._run_imp import ImpRun, _arguments, _configuration, _report, _saved
from ._timed_training import TimedTraining

OnLevel = Callable[[LevelRecord, int], object]
Choose = Callable[[imp.Level, ImpSettings, int, torch.Generator], Masks]


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
    return run_straight(folder, data, settings, method="one-shot", choose=_largest, on_level=on_level)


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
    return run_straight(folder, data, settings, method="random", choose=_random, on_level=on_level)


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
        choose: `(level 0, settings, how many weights stay, generator)` to masks of the parameters that level 0 has
            masks of. `begun` of level 0 is at initialisation or the rewind point, `model` is trained.
        on_level: as that of `run_imp`.

    Raises:
        ValueError: if settings, data and folder do not fit together.
        OSError: if another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges.

    Example:
        >>> import tempfile
        >>> from tombola.data import load
        >>> def smallest(dense, settings, kept, generator):
        ...     sizes = {name: dense.model.get_parameter(name).detach().abs() for name in dense.masks}
        ...     return select.top({name: -size for name, size in sizes.items()}, kept)
        >>> from tombola import select
        >>> settings, folder = ImpSettings("mlp:64-20-10", steps=50, densities=(0.5,)), tempfile.mkdtemp()
        >>> run = run_straight(f"{folder}/run", load("digits"), settings, method="smallest", choose=smallest)
        >>> run.levels[1].kept
        740
    """
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(settings.seed)
    net = build(settings.model, input_shape=data.input_shape, classes=data.classes, generator=generator)
    names = imp.prunable(net, exclude=settings.exclude)
    of = len(settings.schedule()(sum(net.get_parameter(name).numel() for name in names)))
    with RunFolder.opened(folder, {**_configuration(net, data, settings), "method": method}) as run:
        files = LevelFiles(run, data, settings.model)
        records = files.finished()[:of]
        for record in records:
            _report(on_level, record, of)
        if len(records) < of:
            dense = [files.load(record, net, names) for record in records[:1]]
            after = files.load(records[-1], net, names) if records else None
            timed = TimedTraining(settings, data, level=len(records), started=started)

            def prune(model: nn.Module, masks: Masks, kept: int) -> Masks:
                return choose(dense[0], settings, kept, _generator(settings.seed, kept))

            for level in imp.imp(net, timed, **{**_arguments(settings, names), "prune": prune}, after=after):
                dense = dense or [level]
                records.append(_saved(files, level, timed))
                run.write("metrics.jsonl", *map(asdict, records))
                _report(on_level, records[-1], of)
        return _finished(run, records)


def _finished(run: RunFolder, records: list[LevelRecord]) -> ImpRun:
    """The run whose levels are all there, written down."""
    seconds = sum(record.seconds for record in records), sum(record.seconds_outside_training for record in records)
    result = ImpRun(tuple(records), *seconds)
    run.write("metrics.jsonl", *map(asdict, records))
    run.write("result.json", {**asdict(result), "configuration": run.sha256})
    return result


def _largest(dense: imp.Level, settings: ImpSettings, kept: int, generator: torch.Generator) -> Masks:
    prune = imp.by_layer if settings.by_layer else imp.everywhere
    return prune(dense.model, dense.masks, kept)


def _random(dense: imp.Level, settings: ImpSettings, kept: int, generator: torch.Generator) -> Masks:
    return imp.shuffled(imp.by_layer(dense.model, dense.masks, kept), generator=generator)


def _generator(seed: int, kept: int) -> torch.Generator:
    """Random numbers for one mask: they follow from the seed and the number of weights that stay."""
    digest = hashlib.sha256(f"a mask of {kept} weights, seed {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
