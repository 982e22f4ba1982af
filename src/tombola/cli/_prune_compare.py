"""`tombola prune --compare`: several criteria side by side, as a sweep in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ._options import seeded
from ._sweeping import SOME_FAILED, print_summary, swept

if TYPE_CHECKING:
    from tombola.data import DataSet
    from tombola.prune import Criterion
    from tombola.runs import ImpSettings, Study


@dataclass(frozen=True)
class Comparison:
    """What is to be pruned, by what and how far.

    Attributes:
        data: the name of the data set.
        model: likewise.
        scores: the names of criteria.
        densities: the kept fractions.
        seeds: of weights, masks and training.
        sampled: whether masks are drawn; in comparisons, drawn too.
        only: patterns of the weights that are pruned.
        exclude: patterns of those that stay dense.
        steps: of training, or None.

    Raises:
        ValueError: if a criterion is unknown.
    """

    data: str
    model: str
    scores: list[str]
    densities: list[float]
    seeds: list[int]
    sampled: bool
    only: tuple[str, ...]
    exclude: tuple[str, ...]
    steps: int | None

    def __post_init__(self) -> None:
        from tombola.prune import CRITERIA, named

        for name in self.scores:
            named("score", name, CRITERIA)

    def single(self) -> Criterion:
        """The criterion, where there is one of everything.

        Raises:
            ValueError: if there are several.
        """
        from tombola.prune import CRITERIA

        if max(len(self.scores), len(self.densities), len(self.seeds)) > 1:
            raise ValueError("several scores, densities or seeds are compared: say --compare")
        return CRITERIA[self.scores[0]]

    def settings(self, data: DataSet) -> ImpSettings:
        """The settings of training with the first seed."""
        from tombola.runs import ImpSettings, default_steps

        return ImpSettings(self.model, self.steps or default_steps(data, 128), seed=self.seeds[0])

    def study(self) -> Study:
        """A run for each criterion and seed, at all densities.

        Raises:
            ValueError: if a density is out of range.
        """
        from tombola.data import load
        from tombola.runs import METHODS, Study, grid, method_of

        data = load(self.data)
        drawn = (False, True) if self.sampled else (False,)
        methods = [method_of(name, sampled) for name in self.scores for sampled in drawn]
        cells = grid(
            {
                "data": self.data,
                "model": self.model,
                "steps": self.settings(data).steps,
                "method": [name for name in methods if name in METHODS],
                "densities": sorted(self.densities, reverse=True),
                "exclude": self._dense(data),
                "seed": self.seeds,
            }
        )
        return Study(f"pruning {self.model} on {self.data}", tuple(cells), ())

    def _dense(self, data: DataSet) -> list[str]:
        """The names of weights that stay dense."""
        from tombola.imp import prunable as candidates
        from tombola.models import build
        from tombola.prune import prunable

        net = build(self.model, input_shape=data.input_shape, classes=data.classes, generator=seeded(self.seeds[0]))
        pruned = prunable(net, only=self.only, exclude=self.exclude)
        return [name for name in candidates(net) if name not in pruned]


def compare_criteria(wanted: Comparison, folder: Path, as_json: bool) -> None:
    """Runs a comparison in a folder, where the same command goes on, and prints one table."""
    from tombola.engines import Workers

    study = wanted.study()
    done = swept(study, folder, Workers(1), ())
    print_summary(study, folder, done, as_json)
    if done.failed:
        raise typer.Exit(SOME_FAILED)
