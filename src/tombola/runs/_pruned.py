"""Runs whose masks are found before any training, by a criterion of pruning at initialisation."""

from __future__ import annotations

import os
from functools import partial

import torch

from tombola import scores
from tombola.allocate import uniform
from tombola.data import DataSet
from tombola.imp import Level
from tombola.masks import Masks
from tombola.prune import CRITERIA, prune
from tombola.scores import Batches
from tombola.select import top
from tombola.sketch import sketch

from ._imp_settings import ImpSettings
from ._run_imp import OnLevel
from ._run_levels import ImpRun
from ._straight import run_straight

EXAMPLES = 128  # that a criterion sees in a batch
PREFIX, SAMPLED = "prune-", "-sampled"
CHANCE = ("random", "phew")  # criteria that draw by themselves


def pruned_first(
    folder: str | os.PathLike[str],
    data: DataSet,
    settings: ImpSettings,
    *,
    criterion: str,
    sampled: bool = False,
    on_level: OnLevel | None = None,
) -> ImpRun:
    """At each density the network is pruned at its initial weights, or those of the rewind point, and then trained.

    Level 0 is the dense network. Every density is reached from there, in as many rounds as the criterion is meant for.

    Args:
        folder: as that of `run_imp`.
        data: trained on `x_train`, of which criteria see about 128 examples, and evaluated on `x_test`.
        settings: those of a run of `run_imp`; `by_layer` gives every layer the same share.
        criterion: its name in `tombola.prune.CRITERIA`.
        sampled: whether masks are drawn in proportion to scores, in one round.
        on_level: called with the record of each level that is there, and how many there will be.

    Raises:
        ValueError: if settings, data and folder do not fit together, or the criterion does not suit the model.
        OSError: if another process works in the folder, or it cannot be written.
        FloatingPointError: if training diverges.

    Example:
        >>> import pathlib, tempfile
        >>> from tombola.data import load
        >>> settings = ImpSettings("mlp:64-20-10", steps=50, densities=(0.1,))
        >>> run = pruned_first(pathlib.Path(tempfile.mkdtemp()) / "run", load("digits"), settings, criterion="snip")
        >>> [record.kept for record in run.levels]
        [1480, 148]
    """
    found = CRITERIA[criterion]

    def choose(dense: Level, kept: int, generator: torch.Generator) -> Masks:
        total = sum(mask.numel() for mask in dense.masks.values())
        return prune(
            dense.begun,
            scoring_batches(data, 1, generator=generator),
            score=found.score,
            density=found.schedule(kept / total, sampled=sampled),
            allocate=uniform if settings.by_layer else None,
            select=sketch() if sampled else top,
            names=list(dense.masks),
            generator=generator,
        )

    return run_straight(folder, data, settings, method=method_of(criterion, sampled), choose=choose, on_level=on_level)


def scoring_batches(data: DataSet, batches: int, *, noise: bool = False, generator: torch.Generator) -> Batches:
    """What a criterion sees of a data set: in batches of 128 as many examples of each class, at least one.

    Args:
        data: whose training set is drawn from.
        batches: about how many.
        noise: whether normal numbers with random labels take the place of the examples.
        generator: of the choice.

    Raises:
        ValueError: if a class has fewer examples than wanted.

    Example:
        >>> from tombola.data import load
        >>> batches = scoring_batches(load("digits"), 2, generator=torch.Generator().manual_seed(0))
        >>> [len(y) for _, y in batches]
        [128, 122]
    """
    if noise:
        count = batches * EXAMPLES
        return scores.noise(data.input_shape, data.classes, count=count, batch_size=EXAMPLES, generator=generator)
    per_class = max(1, batches * EXAMPLES // data.classes)
    return scores.balanced_batches(*data.train(), per_class=per_class, batch_size=EXAMPLES, generator=generator)


def method_of(criterion: str, sampled: bool) -> str:
    """The name in `METHODS` of pruning by a criterion.

    Example:
        >>> method_of("snip", False), method_of("synflow", True)
        ('prune-snip', 'prune-synflow-sampled')
    """
    return f"{PREFIX}{criterion}{SAMPLED if sampled else ''}"


PRUNED = {
    method_of(name, sampled): partial(pruned_first, criterion=name, sampled=sampled)
    for name in CRITERIA
    for sampled in (False, True)
    if not (sampled and name in CHANCE)
}
