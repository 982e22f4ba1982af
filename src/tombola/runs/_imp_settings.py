"""What a run of iterative magnitude pruning depends on, as plain data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from tombola.data import DataSet
from tombola.imp import Rewind, fine_tuning, learning_rate, weights
from tombola.schedules import Schedule, geometric, given
from tombola.training import default_epochs

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
        reset: "weights", "learning-rate" or "fine-tuning".
        rewind: the step that weights go back to; only with "weights".
        retrain: steps of every level after the first; default: `steps`; not with "weights".
        by_layer: whether every layer keeps the same share.
        exclude: names of parameters that stay dense.
        learning_rate: of stochastic gradient descent, the same at every step.
        momentum: likewise.
        batch_size: examples per step.
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
    reset: str = "weights"
    rewind: int = 0
    retrain: int | None = None
    by_layer: bool = False
    exclude: tuple[str, ...] = ()
    learning_rate: float = 0.1
    momentum: float = 0.0
    batch_size: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1:
            raise ValueError(f"steps and batch_size must be at least 1, got {self.steps} and {self.batch_size}")
        if not (0 < self.learning_rate < math.inf and 0 <= self.momentum < 1):
            got = f"{self.learning_rate} and {self.momentum}"
            raise ValueError(f"the learning rate must be positive and finite and momentum in [0, 1), got {got}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, got {self.seed}")
        self._check_reset()
        self.schedule()

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
        return geometric(self.levels, factor=self.factor) if self.densities is None else given(self.densities)

    def way(self) -> Rewind:
        """What a level begins with."""
        if self.reset == "weights":
            return weights(self.rewind)
        if self.reset == "learning-rate":
            return learning_rate(self.retrain)
        return fine_tuning(self.steps if self.retrain is None else self.retrain)

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON data; those that say nothing are null."""
        silent = {} if self.densities is None else {"levels": None, "factor": None}
        return {**asdict(self), **silent}


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
