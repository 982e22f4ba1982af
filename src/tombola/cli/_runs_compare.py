"""`tombola runs compare`: runs side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument

from ._options import AsJson
from ._output import print_json, print_table, shown

if TYPE_CHECKING:
    from tombola.runs import FoundRun

ABOUT = ("data_sha256", "weights_sha256")  # follow from data, model and seed


def compare(
    runs: Annotated[list[Path], Argument(metavar="RUN...", help="Folders of runs, two or more.")],
    as_json: AsJson = False,
) -> None:
    """Show the accuracies of runs side by side by density, and the settings in which they differ."""
    from tombola.runs import read_run

    paths = list(dict.fromkeys(runs))
    if len(paths) < 2:
        raise ValueError("name at least two different runs to compare")
    found = [read_run(path) for path in paths]
    names, settings, levels = [str(path) for path in paths], _settings(found), _levels(found)
    if as_json:
        print_json({"runs": names, "settings": settings, "levels": levels})
        return
    rows = [[name, *map(_text, values)] for name, values in settings.items()]
    print_table("settings that differ", rows or [["none", *["-" for _ in names]]], header=["setting", *names])
    accuracies = [[level["density"], *level["accuracy"]] for level in levels]
    print_table("accuracy by density", accuracies, header=["density", *names])


def _settings(found: list[FoundRun]) -> dict[str, list[Any]]:
    """The values of every setting in which runs differ, one for each run."""
    settings = [{"method": run.method, **run.settings} for run in found]
    names = dict.fromkeys(name for each in settings for name in each)
    values = {name: [each.get(name) for each in settings] for name in names if name not in ABOUT}
    return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


def _levels(found: list[FoundRun]) -> list[dict[str, Any]]:
    """The accuracies at every density, None where a run has no such level; densities agree to three digits."""
    by_density: dict[float, dict[str, Any]] = {}
    for number, run in enumerate(found):
        for record in run.levels:
            empty = {"density": record.density, "accuracy": [None] * len(found)}
            by_density.setdefault(float(f"{record.density:.3g}"), empty)["accuracy"][number] = record.accuracy
    return [by_density[density] for density in sorted(by_density, reverse=True)]


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, list | dict) else shown(value)
