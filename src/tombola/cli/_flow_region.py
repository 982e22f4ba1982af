"""Whether the levels of runs lie where exponents mean more than slopes, from what is in their folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._flow_runs import SeenRun, seen, settings_of

if TYPE_CHECKING:
    from torch import nn

    from tombola.imp import Barrier
    from tombola.renormalization import Grouping, LinearRegion, SemigroupDefect, Window


def region_of(runs: Sequence[SeenRun], window: Window, grouping: Grouping, coarse: Path) -> LinearRegion:
    """The gates of a window: against runs of larger steps, and from level to level.

    Args:
        runs: of one setting.
        window: of them.
        grouping: of them.
        coarse: a folder with runs of larger steps, of the same data, model and seeds.

    Raises:
        ValueError: if it holds no run with a seed of theirs.
        FileNotFoundError: if there is no such folder.
        OSError: if the data are not at hand.
    """
    from tombola.renormalization import linear_region

    barriers = [one for run, levels in zip(runs, window.levels, strict=False) for one in _barriers(run.path, levels)]
    return linear_region(defects=_defects(runs, grouping, coarse), barriers=barriers)


def _defects(runs: Sequence[SeenRun], grouping: Grouping, coarse: Path) -> list[SemigroupDefect]:
    """Each run against that of its seed."""
    from tombola.renormalization import semigroup_defect

    about = runs[0].about
    others = [
        seen(run, grouping)
        for (data, model, _), found in settings_of([coarse]).items()
        for run in found
        if (data, model) == (str(about["data"]), str(about["model"]))
    ]
    by_seed = {run.about["seed"]: run for run in others if all(run.path != own.path for own in runs)}
    pairs = [(run, by_seed[run.about["seed"]]) for run in runs if run.about["seed"] in by_seed]
    if not pairs:
        seeds = ", ".join(str(run.about["seed"]) for run in runs)
        raise ValueError(f"{coarse} holds no other run of {about['model']} on {about['data']} with a seed of {seeds}")
    return [semigroup_defect(run.flow, other.flow) for run, other in pairs]


def _barriers(path: Path, levels: tuple[int, int]) -> Iterator[Barrier]:
    """From each level of a run to the next, by errors on the test set."""
    from tombola.data import load
    from tombola.imp import barrier
    from tombola.training import evaluate, reestimate_batch_norm_

    from ._transfer_arms import ticket_of

    first = ticket_of(path, levels[0], None)
    data = load(first.run.settings["data"])
    (x, _), test = data.train(), data.test()

    def error(net: nn.Module) -> float:
        return 1 - evaluate(net, *test).accuracy

    before = first.level.model
    for number in range(levels[0] + 1, levels[1] + 1):
        after = ticket_of(path, number, None).level.model
        yield barrier(before, after, error, prepare=lambda net: reestimate_batch_norm_(net, x))
        before = after
