"""What a run of iterative magnitude pruning depends on, as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from tombola.data import DataSet
from tombola.imp import Rewind, fine_tuning, learning_rate, weights
from tombola.schedules import Schedule, geometric, given, linear
from tombola.training import (
    Hardware,
    Optimiser,
    Rate,
    Trainer,
    default_epochs,
    named_optimiser,
    named_rate,
    warmed_up,
)

RESETS = ("weights", "learning-rate", "fine-tuning")


@dataclass(frozen=True)
class ImpSettings:
    """The settings of a run, all but its data.

    Args:
        model: as `tombola.models.build` takes it.
        steps: of training the dense network, and of every level that goes back to its beginning.
        levels: how often is pruned.
        factor: the fraction of weights that every level keeps of the level before.
        densities: of the levels after the first, instead of `levels` and `factor`.
        linear_to: the density of the last level, where every level prunes the same number; instead of `factor`.
        reset: "weights", "learning-rate" or "fine-tuning".
        rewind: the step that weights go back to; only with "weights".
        retrain: steps of every level after the first; default: `steps`; not with "weights".
        by_layer: whether every layer keeps the same share.
        exclude: names of parameters that stay dense.
        optimiser: "sgd" or "adam" (AdamW).
        learning_rate: its own; `rate` makes multiples of it.
        momentum: of "sgd".
        weight_decay: of kept weights; pruned ones are zero anyway.
        rate: over a whole run: "constant", "cosine", or "stepwise:0.5,0.75", a tenth from each of these fractions on.
        warm_up: steps in which the rate rises from zero.
        clip: the largest norm of the gradient of all kept weights.
        batch_size: examples per step.
        bfloat16: whether forwards are computed with 8 bits of mantissa.
        threads: of the CPU; default: one for a small network without convolutions, else as many as torch is set to.
        seed: of the initial weights, and of all that training draws.

    Raises:
        ValueError: if a setting is out of range, or two of them contradict each other.

    Example:
        >>> ImpSettings("mlp:64-20-10", steps=100, densities=(0.5, 0.1)).schedule()(1000)
        [1000, 500, 100]
    """

    model: str
    steps: int
    levels: int = 20
    factor: float = 0.8
    densities: tuple[float, ...] | None = None
    linear_to: float | None = None
    reset: str = "weights"
    rewind: int = 0
    retrain: int | None = None
    by_layer: bool = False
    exclude: tuple[str, ...] = ()
    optimiser: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    rate: str = "constant"
    warm_up: int = 0
    clip: float | None = None
    batch_size: int = 128
    bfloat16: bool = False
    threads: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise ValueError(f"steps and batch_size must be at least 1, got {self.steps} and {self.batch_size}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, got {self.seed}")
        if self.linear_to is not None and self.densities is not None:
            raise ValueError("densities say what each level keeps; leave linear_to out")
        if self.warm_up < 0 or (self.clip is not None and not 0 < self.clip < math.inf):
            raise ValueError(f"warm_up is 0 or more and clip positive, got {self.warm_up} and {self.clip}")
        self._check_reset()
        for checked in (self.schedule, self._optimiser, self._rate):
            checked()

    def _check_reset(self) -> None:
        if self.reset not in RESETS:
            raise ValueError(f"reset is one of {', '.join(RESETS)}, got {self.reset!r}")
        if self.reset == "weights" and self.retrain is not None:
            raise ValueError("weights that go back are trained to the end of the run; leave retrain out")
        if self.reset != "weights" and self.rewind:
            raise ValueError(f"with reset {self.reset} weights stay; leave the rewind point out")
        if not 0 <= self.rewind < self.steps:
            raise ValueError(f"the rewind point {self.rewind} lies beyond the run, which has {self.steps} steps")
        self.way()

    def schedule(self) -> Schedule:
        """How many weights each level keeps."""
        if self.densities is not None:
            return given(self.densities)
        if self.linear_to is not None:
            return linear(self.levels, density=self.linear_to)
        return geometric(self.levels, factor=self.factor)

    def trainer(self, data: DataSet) -> Trainer:
        """The training loop."""
        return Trainer(
            data,
            self.steps,
            batch_size=self.batch_size,
            optimiser=self._optimiser(),
            rate=self._rate(),
            clip=self.clip,
            hardware=Hardware(bfloat16=self.bfloat16),
        )

    def _optimiser(self) -> Optimiser:
        return named_optimiser(
            self.optimiser, self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
        )

    def _rate(self) -> Rate:
        rate = named_rate(self.rate, self.steps)
        return warmed_up(rate, self.warm_up) if self.warm_up else rate

    def way(self) -> Rewind:
        """What a level begins with."""
        if self.reset == "weights":
            return weights(self.rewind)
        if self.reset == "learning-rate":
            return learning_rate(self.retrain)
        return fine_tuning(self.steps if self.retrain is None else self.retrain)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON data; those that say nothing are null. How many threads it comes to, the run records."""
        silent = (
            ("factor",) if self.linear_to is not None else ("levels", "factor") if self.densities is not None else ()
        )
        whole = {**asdict(self), **dict.fromkeys(silent)}
        del whole["threads"]
        return whole


def default_steps(data: DataSet, batch_size: int) -> int:
    """As many steps as `training.fit` would do: at least 5 epochs, and enough for 1000 steps.

    Example:
        >>> from tombola.data import load
        >>> default_steps(load("digits"), 128)  # 12 steps an epoch
        1008
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    epoch = math.ceil(len(data.y_train) / batch_size)
    return epoch * default_epochs(epoch)
