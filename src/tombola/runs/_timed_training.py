"""Training and evaluation that know how long they took, and what to say when they diverge."""

from __future__ import annotations

import time

import torch
from torch import nn

from tombola.data import DataSet
from tombola.isolation import torch_threads
from tombola.masks import Masks
from tombola.training import Evaluation, Trainer, evaluate, is_small, sgd

from ._imp_settings import ImpSettings

ADVICE = "try a smaller learning rate"


class TimedTraining:
    """The training loop of a run, as `imp` calls it.

    Args:
        settings: of the run.
        data: trained and evaluated on.
        level: the one that comes first.
        started: when its clock began, in the seconds of `time.perf_counter`.
    """

    def __init__(self, settings: ImpSettings, data: DataSet, *, level: int, started: float) -> None:
        rate = sgd(settings.learning_rate, momentum=settings.momentum)
        self._train = Trainer(data, settings.steps, batch_size=settings.batch_size, optimiser=rate)
        self._data, self._level, self._split, self._busy = data, level, started, 0.0

    def __call__(
        self, model: nn.Module, masks: Masks, *, start: int, stop: int, generator: torch.Generator
    ) -> nn.Module:
        """A trained copy of a model.

        Raises:
            FloatingPointError: if loss or weights stop being finite; it names level and step.
        """
        began = time.perf_counter()
        place = f"level {self._level}" if masks else "before the rewind point"
        try:
            trained = self._train(model, masks, start=start, stop=stop, generator=generator)
        except FloatingPointError as error:
            raise FloatingPointError(f"{place}: {error}") from error
        if not all(bool(parameter.isfinite().all()) for parameter in trained.parameters()):
            raise FloatingPointError(f"{place}: weights are not finite by step {stop}; {ADVICE}")
        self._busy += time.perf_counter() - began
        return trained

    def evaluated(self, model: nn.Module) -> Evaluation:
        """Accuracy and loss on the test set."""
        began = time.perf_counter()
        with torch_threads(1 if is_small(model) else None):
            found = evaluate(model, *self._data.test())
        self._busy += time.perf_counter() - began
        return found

    def split(self) -> tuple[float, float]:
        """The level ends: its seconds, and those in which nothing was trained or evaluated."""
        now, busy = time.perf_counter(), self._busy
        seconds, self._split, self._busy, self._level = now - self._split, now, 0.0, self._level + 1
        return seconds, seconds - busy
