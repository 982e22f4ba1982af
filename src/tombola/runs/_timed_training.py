"""Training of the levels of a run: timed, kept while it goes on, and with a place to name when it diverges."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from tombola.imp import Level
from tombola.masks import Masks
from tombola.training import Checkpoint, Enforce, Evaluation, Train, Trainer, by_first

from ._level_files import LevelFiles, LevelRecord

ADVICE = "try a smaller learning rate"


class TimedTraining:
    """The training loop of a run, as `imp` calls it.

    Args:
        train: the loop itself.
        measure: how good a trained model is.
        files: where levels are saved.
        level: the one that comes first.
        seconds: between two savings of a level in training.
    """

    def __init__(
        self, train: Train, measure: Callable[[nn.Module], Evaluation], files: LevelFiles, *, level: int, seconds: float
    ) -> None:
        self._train, self._measure, self._files, self._level, self._seconds = train, measure, files, level, seconds
        self._split, self._busy = time.perf_counter(), 0.0

    def __call__(
        self, model: nn.Module, masks: Masks, *, start: int, stop: int, generator: torch.Generator
    ) -> nn.Module:
        """A trained copy of a model.

        Raises:
            FloatingPointError: if loss or weights stop being finite; it names level and step.
        """
        return self._trained(self._train, model, masks, start=start, stop=stop, generator=generator)

    def under(self, enforce: Enforce) -> Train:
        """The same loop, a `Trainer`, with masks held in force by something else, such as a method that moves them."""
        assert isinstance(self._train, Trainer)
        return partial(self._trained, replace(self._train, enforce=enforce))

    def _trained(
        self, train: Train, model: nn.Module, masks: Masks, *, start: int, stop: int, generator: torch.Generator
    ) -> nn.Module:
        began = time.perf_counter()
        place = f"level {self._level}" if masks else "before the rewind point"
        loop = self._kept(train, is_level=bool(masks))
        try:
            trained = loop(model, masks, start=start, stop=stop, generator=generator)
        except FloatingPointError as error:
            raise FloatingPointError(f"{place}: {error}") from error
        if not all(bool(parameter.isfinite().all()) for parameter in trained.parameters()):
            raise FloatingPointError(f"{place}: weights are not finite by step {stop}; {ADVICE}")
        self._busy += time.perf_counter() - began
        return trained

    def _kept(self, train: Train, *, is_level: bool) -> Train:
        """The loop, with its state saved now and then if it can be; that of the rewind point stays for good."""
        if not (isinstance(train, Trainer) and train.is_resumable):
            return train
        path = self._files.training if is_level else self._files.rewind
        return replace(train, checkpoint=Checkpoint(path, self._seconds, last=not is_level))

    def recorded(self, level: Level) -> LevelRecord:
        """The record of a level that is now in its folder."""
        began = time.perf_counter()
        found = self._measure(level.model)
        self._busy += time.perf_counter() - began

        def saved() -> LevelRecord:
            adds = self._files.save(level)
            now = time.perf_counter()
            seconds = now - self._split
            figures = (level.number, level.kept, level.density, found.accuracy, found.loss, level.step)
            record = LevelRecord(*figures, seconds, seconds - self._busy, adds)
            self._files.finish(record, list(level.masks))
            return record

        record = by_first(saved)
        self._split, self._busy, self._level = time.perf_counter(), 0.0, self._level + 1
        return record
