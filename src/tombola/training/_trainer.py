"""Training from one step of a run to another, which is all that iterative pruning asks of a training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tombola.data import DataSet, batches
from tombola.isolation import isolated_random_state, torch_threads
from tombola.masks import Masks, check_masks
from tombola.training._fit import Run, is_small
from tombola.training._inspect import check_fits
from tombola.training._optimisers import Optimiser, sgd
from tombola.training._rates import Rate, constant

CHECKED = 100  # steps between looks at the loss


@dataclass(frozen=True, eq=False)
class Trainer:
    """A training loop with a fixed recipe, called with a model and the steps of the run to be done.

    Any function with the signature of a call is as good: `(model, masks, *, start, stop, generator) -> model`.

    Args:
        data: trained on `x_train`, scaled a batch at a time.
        steps: of a whole run.
        batch_size: examples per step; the last batch of a pass may be smaller.
        optimiser: from parameters to an optimiser; new, without momentum, whenever the trainer is called.
        rate: multiple of its learning rate at each step; past the end of the run that of the last step holds on.
        clip: the largest norm of the gradient of all kept weights, or None.

    Raises:
        ValueError: if `steps` or `batch_size` is below 1, or `clip` is not positive.

    Example:
        >>> from tombola import data, models
        >>> digits, generator = data.load("digits"), torch.Generator().manual_seed(0)
        >>> net = models.build("mlp:64-30-10", generator=generator)
        >>> train = Trainer(digits, steps=200)
        >>> half = train(net, {}, start=0, stop=100, generator=generator)
        >>> whole = train(half, {}, start=100, stop=200, generator=generator)
        >>> from tombola.training import evaluate
        >>> evaluate(whole, *digits.test()).accuracy > evaluate(net, *digits.test()).accuracy
        True
    """

    data: DataSet
    steps: int
    batch_size: int = 128
    optimiser: Optimiser = field(default_factory=sgd)
    rate: Rate = field(default_factory=constant)
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1 or (self.clip is not None and not self.clip > 0):
            got = f"{self.steps}, {self.batch_size} and {self.clip}"
            raise ValueError(f"steps and batch_size must be at least 1 and clip positive, got {got}")

    def __call__(
        self, model: nn.Module, masks: Masks, *, start: int, stop: int, generator: torch.Generator
    ) -> nn.Module:
        """A copy of a model, trained from step `start` of the run up to step `stop`.

        Args:
            model: maps `(batch, *data.input_shape)` to `(batch, data.classes)` or more; it stays as it is.
            masks: pruned weights start at zero and stay there.
            start: the first step; it says what the learning rate is.
            stop: the step before which to end; may lie past the end of the run.
            generator: of the order of the examples and of dropout; the same for the same result.

        Raises:
            ValueError: if model, data and masks do not fit together, or the steps are out of order.
            FloatingPointError: if the loss stops being finite; it names the step.
        """
        if not 0 <= start <= stop:
            raise ValueError(f"steps go from 0 upwards, got start {start} and stop {stop}")
        check_fits(model, self.data.scaling(self.data.x_train[:1]), self.data.y_train)
        check_masks(masks, dict(model.named_parameters()))
        copied = copy.deepcopy(model)
        with torch_threads(1 if is_small(model) else None), isolated_random_state(generator):
            run = Run(copied, self.optimiser, masks, self._schedule(start), clip=self.clip)
            total = torch.zeros((), device=run.device)
            for step, (stored, labels) in zip(range(start, stop), self._batches(generator, run.device), strict=False):
                total += run.step(self.data.scaling(stored), labels)[1]
                if (step + 1 == stop or step % CHECKED == 0) and not math.isfinite(float(total)):
                    raise FloatingPointError(f"the loss is not finite by step {step}; try a smaller learning rate")
            return run.finished(like=model)

    def _batches(self, generator: torch.Generator, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        x, y = self.data.x_train.to(device), self.data.y_train.to(device)
        while True:
            yield from batches(x, y, batch_size=self.batch_size, generator=generator)

    def _schedule(self, start: int) -> Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]:
        last = self.steps - 1

        def scheduled(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
            return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: self.rate(min(start + done, last)))

        return scheduled
