"""Training a classifier, the way the papers' small networks are trained."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from tombola.data import DataSet
from tombola.isolation import isolated_random_state, torch_threads
from tombola.masks import Masks, check_masks
from tombola.training._examples import Examples
from tombola.training._inspect import check_fits
from tombola.training._optimisers import Optimiser, sgd
from tombola.training._run import Run

SMALL = 2_000_000  # parameters
LEAST_EPOCHS, LEAST_STEPS = 5, 1000


@dataclass(frozen=True)
class Epoch:
    """How an epoch of training went.

    Attributes:
        number: from 1.
        of: how many there will be.
        loss: mean cross-entropy over the epoch's batches as they were trained on, in nats.
        accuracy: fraction classified correctly, likewise.
        seconds: since training began.

    Example:
        >>> Epoch(number=1, of=5, loss=0.25, accuracy=0.9, seconds=1.5).accuracy
        0.9
    """

    number: int
    of: int
    loss: float
    accuracy: float
    seconds: float


def fit(
    model: nn.Module,
    data: DataSet,
    *,
    epochs: int | None = None,
    batch_size: int = 64,
    optimiser: Optimiser | None = None,
    masks: Masks | None = None,
    generator: torch.Generator,
    on_epoch: Callable[[Epoch], object] | None = None,
) -> nn.Module:
    """A trained copy of a classifier; the model that was given stays as it is.

    Minimises the mean cross-entropy over shuffled batches; the learning rate falls to zero along half a cosine. Runs on
    the device that `accelerate` finds, and in the processes that its launcher started. On a CPU, a network of up to 2
    million parameters without convolutions trains on one thread: its products are too small to gain much from more,
    threads that wait for each other on a busy machine lose tenfold and more, and the result is then the same on any
    number of cores. A heuristic: what accuracy comes out is for `evaluate` to say.

    Args:
        model: maps `(batch, *data.input_shape)` to `(batch, data.classes)` or more.
        data: trained on `x_train`, scaled a batch at a time. The test set is not looked at.
        epochs: passes over the training set; default: at least 5, and enough for 1000 steps.
        batch_size: examples per step.
        optimiser: `sgd(...)` (default: learning rate 0.1, momentum 0.9), `adam(...)`, or any function from parameters
            to a `torch.optim.Optimizer`.
        masks: pruned weights start at zero and stay there.
        generator: of the order of the examples and of dropout.
        on_epoch: called with an `Epoch` after each.

    Returns:
        A new model on the device and in the mode of the given one, without gradients.

    Raises:
        ValueError: if model, data and masks do not fit together, or there is nothing to train.
        FloatingPointError: if the loss stops being finite.

    Example:
        >>> from tombola import data, models
        >>> digits, generator = data.load("digits"), torch.Generator().manual_seed(0)
        >>> net = models.build("mlp:64-30-10", generator=generator)
        >>> trained = fit(net, digits, epochs=10, generator=generator)
        >>> from tombola.training import evaluate
        >>> evaluate(trained, *digits.test()).accuracy > 0.9 > evaluate(net, *digits.test()).accuracy
        True
    """
    if batch_size < 1 or (epochs is not None and epochs < 1):
        raise ValueError(f"epochs and batch_size must be at least 1, got {epochs} and {batch_size}")
    check_fits(model, data.scaling(data.x_train[:1]), data.y_train)
    check_masks(masks or {}, dict(model.named_parameters()))
    steps = math.ceil(len(data.y_train) / batch_size)
    total = epochs or default_epochs(steps)
    copied = copy.deepcopy(model)
    with torch_threads(1 if is_small(model) else None), isolated_random_state(generator):
        run = Run(copied, optimiser or sgd(), masks or {}, lambda plain: CosineAnnealingLR(plain, steps * total))
        examples = run.examples(data, batch_size)
        started = time.perf_counter()
        for number in range(1, total + 1):
            loss, accuracy = _epoch(run, examples, generator)
            if not math.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss} in epoch {number}; try a smaller learning rate")
            if on_epoch is not None:
                on_epoch(Epoch(number, total, loss, accuracy, time.perf_counter() - started))
        return run.finished(like=model)


def default_epochs(steps: int) -> int:
    """How many passes `fit` makes if nothing else is said: at least 5, and enough for 1000 steps.

    Args:
        steps: of one pass.

    Example:
        >>> default_epochs(12), default_epochs(500)
        (84, 5)
    """
    return max(LEAST_EPOCHS, math.ceil(LEAST_STEPS / steps))


def _epoch(run: Run, examples: Examples, generator: torch.Generator) -> tuple[float, float]:
    """Trains on every example once; mean loss and accuracy on the way, over all processes."""
    loss, correct, count = (torch.zeros((), device=run.device) for _ in range(3))
    for batch in examples.once(generator):
        outputs, mean = run.step(batch)
        loss += mean * len(batch.targets)
        correct += (outputs.argmax(1) == batch.targets).sum()
        count += len(batch.targets)
    loss, correct, count = run.summed(torch.stack([loss, correct, count])).tolist()
    return loss / count, correct / count


def is_small(model: nn.Module) -> bool:
    """Whether a network trains fastest on one thread: up to 2 million parameters, none of them of a convolution."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters) <= SMALL and all(p.ndim <= 2 for p in parameters)
