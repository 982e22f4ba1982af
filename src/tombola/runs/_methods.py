"""The ways to a ticket that a sweep can take.

References:
    [Frankle2019] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
        ICLR 2019.
    [Renda2020] A. Renda, J. Frankle, M. Carbin, "Comparing rewinding and fine-tuning in neural network pruning",
        ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tombola.data import DataSet

from ._imp_settings import RESETS, ImpSettings
from ._level_files import LevelRecord
from ._moving import MOVING
from ._pruned import PRUNED
from ._run_imp import run_imp
from ._run_levels import ImpRun
from ._straight import one_shot, random_masks


class Method(Protocol):
    """What runs a cell in a folder, as `run_imp` does; called again, it goes on behind the levels that are there."""

    def __call__(
        self,
        folder: Path,
        data: DataSet,
        settings: ImpSettings,
        *,
        on_level: Callable[[LevelRecord, int], object] | None = None,
    ) -> ImpRun:
        """The levels of a run."""
        ...


METHODS: dict[str, Method] = {
    "imp": run_imp,  # weights go back [Frankle2019]
    "learning-rate": run_imp,  # weights stay, the learning rate goes back [Renda2020]
    "fine-tuning": run_imp,  # weights stay and are trained on
    "one-shot": one_shot,
    "random": random_masks,
    **MOVING,  # from random masks of an ERK allocation: they stay, or move as SET, RigL and Top-KAST say
    **PRUNED,  # before training, by a criterion
}


def reset_of(method: str) -> str:
    """What goes back after pruning: methods that are ways back say it by their names, with all others weights do.

    Example:
        >>> reset_of("fine-tuning"), reset_of("one-shot")
        ('fine-tuning', 'weights')
    """
    return method if method in RESETS else "weights"
