"""Iterative magnitude pruning in a folder, of a named model on a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from tombola import imp
from tombola.data import DataSet
from tombola.imp import Level
from tombola.isolation import torch_threads
from tombola.models import build
from tombola.training import Evaluation, Train, evaluate, fingerprint, is_small

from ._imp_settings import ImpSettings
from ._level_files import LevelRecord
from ._run_levels import Finished, ImpRun, Task, run_levels

OnLevel = Callable[[LevelRecord, int], object]
PruningLevels = Callable[[nn.Module, Train, Finished, dict[str, Any]], Iterator[Level]]


def run_imp(
    folder: str | os.PathLike[str],
    data: DataSet,
    settings: ImpSettings,
    *,
    checkpoint: float = 60.0,
    on_level: OnLevel | None = None,
) -> ImpRun:
    """The levels of a run, trained if they are not in the folder yet, each saved when it is done.

    The same call after an interruption, at whatever moment, goes on where the run was saved last, within a level or
    behind it; weights, masks and accuracies are then bit for bit those of a run without interruption, on the same
    machine. A run that is there already is read, and nothing is trained.

    Args:
        folder: `config.json`, `levels/NN/` with `weights.safetensors`, `level.ticket` and `level.json`,
            `metrics.jsonl` with a line for each level, and `result.json` at the end.
        data: trained on `x_train`, evaluated on `x_test`.
        settings: all the rest that the outcome depends on.
        checkpoint: seconds between two savings of a level in training.
        on_level: called with the record of each level that is there, and how many there will be.

    Raises:
        ValueError: if settings, data and folder do not fit together; then nothing is written.
        OSError: if another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges; it names level and step. The levels before are kept.

    Example:
        >>> import pathlib, tempfile
        >>> from tombola.data import load
        >>> settings = ImpSettings("mlp:64-20-10", steps=50, densities=(0.5, 0.1))
        >>> run = run_imp(pathlib.Path(tempfile.mkdtemp()) / "run", load("digits"), settings)
        >>> [record.kept for record in run.levels]
        [1480, 740, 148]
    """
    return run_pruning(folder, data, settings, checkpoint=checkpoint, on_level=on_level)


def run_pruning(
    folder: str | os.PathLike[str],
    data: DataSet,
    settings: ImpSettings,
    *,
    method: str | None = None,
    levels: PruningLevels | None = None,
    checkpoint: float = 60.0,
    on_level: OnLevel | None = None,
) -> ImpRun:
    """The same for another way from level to level.

    Args:
        folder: as that of `run_imp`.
        data: likewise.
        settings: likewise.
        method: the name of the way, part of the configuration; None for `run_imp`'s.
        levels: from a network, a training loop, the levels that are there and the arguments of `imp.imp` to the levels
            behind them.
        checkpoint: as that of `run_imp`.
        on_level: likewise.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    net = build(settings.model, input_shape=data.input_shape, classes=data.classes, generator=generator)
    last = int(data.y_train.argmax())
    evaluate(net, data.scaling(data.x_train[last : last + 1]), data.y_train[last : last + 1])  # they fit together
    arguments = _arguments(net, settings)
    of = len(settings.schedule()(sum(dict(net.named_parameters())[name].numel() for name in arguments["names"])))
    configuration = _configuration(net, data, settings) | ({} if method is None else {"method": method})
    x, y = data.test()

    def measured(model: nn.Module) -> Evaluation:
        with torch_threads(1 if is_small(model) else None):
            return evaluate(model, x, y)

    with torch_threads(settings.threads):
        return run_levels(
            folder,
            configuration,
            Task(net, settings.trainer(data), measured, data, settings.model),
            lambda train, done: (levels or _onwards)(net, train, done, arguments),
            checkpoint=checkpoint,
            on_level=None if on_level is None else lambda record: on_level(record, of),
        )


def _onwards(net: nn.Module, train: Train, done: Finished, arguments: dict[str, Any]) -> Iterator[Level]:
    return imp.imp(net, train, **arguments, after=done.last)


def _arguments(net: nn.Module, settings: ImpSettings) -> dict[str, Any]:
    """Those of `imp.imp`."""
    return {
        "stop": settings.steps,
        "schedule": settings.schedule(),
        "rewind": settings.way(),
        "prune": imp.by_layer if settings.by_layer else imp.everywhere,
        "names": imp.prunable(net, exclude=settings.exclude),
        "seed": settings.seed,
    }


def _configuration(net: nn.Module, data: DataSet, settings: ImpSettings) -> dict[str, Any]:
    """All that the outcome depends on; data and initial weights by their hashes."""
    tensors = {"x_train": data.x_train, "y_train": data.y_train, "x_test": data.x_test, "y_test": data.y_test}
    return {
        **settings.to_json(),
        "data": data.name,
        "data_sha256": fingerprint(tensors, str(data.scaling.metadata())),
        "weights_sha256": fingerprint(net.state_dict()),
    }
