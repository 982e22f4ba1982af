"""Training from one step of a run to another, which is all that iterative pruning asks of a training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import nn

from tombola.data import DataSet
from tombola.isolation import isolated_random_state, torch_threads
from tombola.masks import Masks, check_masks
from tombola.training._checkpoint import Checkpoint, Keeper, State, fingerprint
from tombola.training._examples import MapStyle, first_of
from tombola.training._fit import is_small
from tombola.training._hardware import Hardware
from tombola.training._inspect import check_fits, check_takes
from tombola.training._keep_pruned import keep_pruned_
from tombola.training._optimisers import Optimiser, sgd
from tombola.training._processes import processes
from tombola.training._rates import Rate, constant
from tombola.training._run import Enforce, Loss, Run

CHECKED = 100  # steps between looks at the loss


@dataclass(frozen=True, eq=False)
class Trainer:
    """A training loop with a fixed recipe, called with a model and the steps of the run to be done.

    Devices and processes are those that `accelerate launch` or `torchrun` started; all of them end with the same bits.
    With several processes each has its own statistics of batch norm on the way, and ends with those of the first.

    Any function with the signature of a call is as good: `(model, masks, *, start, stop, generator) -> model`.

    Args:
        data: trained on `x_train`, scaled a batch at a time; or any map-style data set of inputs and targets.
        steps: of a whole run.
        batch_size: examples per step, of all processes together; the last batch of a pass may be smaller.
        optimiser: from parameters to an optimiser; new, without momentum, whenever the trainer is called.
        rate: multiple of its learning rate at each step; past the end of the run that of the last step holds on.
        clip: the largest norm of the gradient of all kept weights, or None.
        loss: of outputs and targets, a mean over examples; default: cross-entropy.
        enforce: what holds the masks in force, called with optimiser, model and masks: `keep_pruned_`, or a method of
            `tombola.dynamic`, whose masks move.
        hardware: ways to make it faster.
        checkpoint: a file that a call goes on from after an interruption, or None.

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

    data: DataSet | MapStyle
    steps: int
    batch_size: int = 128
    optimiser: Optimiser = field(default_factory=sgd)
    rate: Rate = field(default_factory=constant)
    clip: float | None = None
    loss: Loss = nn.functional.cross_entropy
    enforce: Enforce = keep_pruned_
    hardware: Hardware = field(default_factory=Hardware)
    checkpoint: Checkpoint | None = None

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1 or (self.clip is not None and not self.clip > 0):
            got = f"{self.steps}, {self.batch_size} and {self.clip}"
            raise ValueError(f"steps and batch_size must be at least 1 and clip positive, got {got}")

    @property
    def is_resumable(self) -> bool:
        """Whether a checkpoint holds all that this training follows from: not if masks move or workers draw numbers."""
        return self.enforce is keep_pruned_ and not self.hardware.workers

    def __call__(
        self, model: nn.Module, masks: Masks, *, start: int, stop: int, generator: torch.Generator
    ) -> nn.Module:
        """A copy of a model, trained from step `start` of the run up to step `stop`.

        Args:
            model: maps `(batch, *shape)` to what `loss` takes; it stays as it is.
            masks: pruned weights start at zero and stay there.
            start: the first step; it says what the learning rate is.
            stop: the step before which to end; may lie past the end of the run.
            generator: of the order of the examples and of dropout; the same for the same result.

        Raises:
            ValueError: if model, data and masks do not fit together, or the steps are out of order.
            FloatingPointError: if the loss stops being finite; it names the step.
            OSError: if the checkpoint cannot be written.
        """
        if not 0 <= start <= stop:
            raise ValueError(f"steps go from 0 upwards, got start {start} and stop {stop}")
        self._check_fits(model)
        check_masks(masks, dict(model.named_parameters()))
        keeper = self._keeper(model, masks, start, stop, generator)
        found = None if keeper is None else keeper.read()
        step, copied = start if found is None else found.step, copy.deepcopy(model)
        with torch_threads(1 if is_small(model) else None), isolated_random_state(generator):
            run = Run(
                copied,
                self.optimiser,
                masks,
                self._schedule(step),
                loss=self.loss,
                enforce=self.enforce,
                clip=self.clip,
                hardware=self.hardware,
            )
            if found is not None:
                run.restore(found.tensors)
                generator.set_state(found.tensors["random.generator"])
            self._steps(run, range(step, stop), 0 if found is None else found.done, generator, keeper)
            return run.finished(like=model)

    def _steps(self, run: Run, steps: range, done: int, generator: torch.Generator, keeper: Keeper | None) -> None:
        """Trains for some steps; of the first pass, `done` batches are done already."""
        examples, step = run.examples(self.data, self.batch_size), steps.start
        total = torch.zeros((), device=run.device)
        while step < steps.stop:
            drawn = generator.get_state()
            for batch in examples.once(generator, skip=done):
                total += run.step(batch)[1]
                step, done = step + 1, done + 1
                if (step == steps.stop or step % CHECKED == 1) and not math.isfinite(float(run.summed(total))):
                    raise FloatingPointError(f"the loss is not finite by step {step - 1}; try a smaller learning rate")
                if keeper is not None and keeper.is_due(at_end=step == steps.stop):
                    keeper.write(State({**run.state(), "random.generator": drawn}, step, done))
                if step == steps.stop:
                    return
            done = 0

    def _keeper(
        self, model: nn.Module, masks: Masks, start: int, stop: int, generator: torch.Generator
    ) -> Keeper | None:
        """What writes the checkpoint, if there is to be one."""
        if self.checkpoint is None or processes().num_processes > 1:
            return None
        if not self.is_resumable:
            raise ValueError("a checkpoint holds no masks that move and no workers' random numbers; leave it out")
        parts = {f"model.{name}": value for name, value in model.state_dict().items()}
        parts |= {f"mask.{name}": mask for name, mask in masks.items()}
        parts["random"] = generator.get_state()
        return Keeper(self.checkpoint, fingerprint(parts, f"{start} {stop} {self.steps} {self.batch_size}"))

    def _check_fits(self, model: nn.Module) -> None:
        """Raises ValueError unless the model takes an example; as a classifier, it has to tell all labels apart."""
        inputs, _ = first_of(self.data)
        if isinstance(self.data, DataSet) and self.loss is nn.functional.cross_entropy:
            check_fits(model, inputs, self.data.y_train)
        else:
            check_takes(model, inputs)

    def _schedule(self, start: int) -> Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]:
        last = self.steps - 1

        def scheduled(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
            return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda done: self.rate(min(start + done, last)))

        return scheduled
