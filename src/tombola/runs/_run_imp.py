"""Iterative magnitude pruning in a folder: every level is saved, and a run that was interrupted goes on."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from tombola import imp
from tombola.data import DataSet
from tombola.models import build
from tombola.training import evaluate

from ._imp_settings import ImpSettings
from ._level_files import LevelFiles, LevelRecord
from ._run_folder import RunFolder
from ._timed_training import TimedTraining


@dataclass(frozen=True)
class ImpRun:
    """A finished run.

    Attributes:
        levels: the records of its levels.
        seconds: that all of them took, in however many calls.
        seconds_outside_training: those in which nothing was trained or evaluated.
    """

    levels: tuple[LevelRecord, ...]
    seconds: float
    seconds_outside_training: float


def run_imp(
    folder: str | os.PathLike[str],
    data: DataSet,
    settings: ImpSettings,
    *,
    on_level: Callable[[LevelRecord, int], object] | None = None,
) -> ImpRun:
    """The levels of a run, trained if they are not in the folder yet, each saved when it is done.

    The same call after an interruption, at whatever moment, goes on behind the last level that was saved; weights,
    masks and accuracies are then bit for bit those of a run without interruption, on the same machine. A run that is
    there already is read, and nothing is trained.

    Args:
        folder: `config.json`, `levels/NN/` with `weights.safetensors`, `level.ticket` and `level.json`,
            `metrics.jsonl` with a line for each level, and `result.json` at the end.
        data: trained on `x_train`, evaluated on `x_test`.
        settings: all the rest that the outcome depends on.
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
    started = time.perf_counter()
    net = build(
        settings.model,
        input_shape=data.input_shape,
        classes=data.classes,
        generator=torch.Generator().manual_seed(settings.seed),
    )
    last = int(data.y_train.argmax())
    evaluate(net, data.scaling(data.x_train[last : last + 1]), data.y_train[last : last + 1])  # they fit together
    names = imp.prunable(net, exclude=settings.exclude)
    parameters = dict(net.named_parameters())
    of = len(settings.schedule()(sum(parameters[name].numel() for name in names)))
    with RunFolder.opened(folder, _configuration(net, data, settings)) as run:
        files = LevelFiles(run, data, settings.model)
        records = files.finished()[:of]
        for record in records:
            _report(on_level, record, of)
        if len(records) < of:
            after = files.load(records[-1], net, names) if records else None
            timed = TimedTraining(settings, data, level=len(records), started=started)
            for level in imp.imp(net, timed, **_arguments(settings, names), after=after):
                records.append(_saved(files, level, timed))
                run.write("metrics.jsonl", *map(asdict, records))
                _report(on_level, records[-1], of)
        run.write("metrics.jsonl", *map(asdict, records))
        result = ImpRun(
            tuple(records),
            sum(record.seconds for record in records),
            sum(record.seconds_outside_training for record in records),
        )
        run.write("result.json", {**asdict(result), "configuration": run.sha256})
    return result


def _arguments(settings: ImpSettings, names: list[str]) -> dict[str, Any]:
    return {
        "stop": settings.steps,
        "schedule": settings.schedule(),
        "rewind": settings.way(),
        "prune": imp.by_layer if settings.by_layer else imp.everywhere,
        "names": names,
        "seed": settings.seed,
    }


def _configuration(net: nn.Module, data: DataSet, settings: ImpSettings) -> dict[str, Any]:
    """All that the outcome depends on; data and initial weights by their hashes."""
    tensors = [data.x_train, data.y_train, data.x_test, data.y_test]
    return {
        **settings.to_json(),
        "data": data.name,
        "data_sha256": _sha256(dict(enumerate(tensors)), str(data.scaling.metadata())),
        "weights_sha256": _sha256(net.state_dict()),
    }


def _sha256(tensors: dict[Any, torch.Tensor], text: str = "") -> str:
    digest = hashlib.sha256(text.encode())
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _report(on_level: Callable[[LevelRecord, int], object] | None, record: LevelRecord, of: int) -> None:
    if on_level is not None:
        on_level(record, of)


def _saved(files: LevelFiles, level: imp.Level, timed: TimedTraining) -> LevelRecord:
    """The record of a level that is now in its folder."""
    found = timed.evaluated(level.model)
    files.save(level)
    record = LevelRecord(
        level.number, level.kept, level.density, found.accuracy, found.loss, level.step, *timed.split()
    )
    files.finish(record)
    return record
