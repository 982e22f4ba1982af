"""Runs of iterative pruning as flows of groups of weights, for the verbs that look at them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._flow_options import Law, scheme_of

if TYPE_CHECKING:
    from torch import Tensor

    from tombola.masks import Masks
    from tombola.renormalization import Flow, Grouping
    from tombola.runs import FoundRun, LevelFiles

METHODS = ("imp", "learning-rate", "fine-tuning")  # whose levels follow from one another
UNSAID = ("data_sha256", "weights_sha256")  # follow from data, model and seed
SETTING = ("data", "model", "method")  # runs that differ in these are never looked at together


@dataclass(frozen=True, eq=False)
class SeenRun:
    """One run as a flow.

    Attributes:
        path: of its folder.
        flow: of the groups that were asked for.
        null: of weights that were never trained, at the same densities; None where they are not known.
        about: its settings, or of a foreign folder nothing.
        remarks: what should be known of it, in words.
    """

    path: Path
    flow: Flow
    null: Flow | None
    about: Mapping[str, Any]
    remarks: tuple[str, ...]

    @property
    def factor(self) -> float | None:
        """The share of weights that every level was asked to keep of the level before, if it is one number."""
        about = self.about
        is_other = about.get("densities") is not None or about.get("linear_to") is not None
        return None if is_other else about.get("factor")


def settings_of(paths: Iterable[Path]) -> dict[tuple[str, ...], list[FoundRun]]:
    """The runs in folders of runs and of sweeps, by data, model and method.

    Raises:
        ValueError: if there is no such run, or one that is named is of another method.
        FileNotFoundError: if there is no such folder.
    """
    from tombola.runs import find_runs, read_run

    found: dict[tuple[str, ...], list[FoundRun]] = {}
    for path in dict.fromkeys(paths):
        inside = find_runs(path)
        if [run.path for run in inside] == [path]:
            inside = [_checked(read_run(path))]
        followed = [run for run in inside if run.method in METHODS and run.state != "damaged"]
        if not followed:
            raise ValueError(f"{path} holds no run of `tombola imp`, nor a sweep with one")
        for run in followed:
            found.setdefault(tuple(str(setting) for setting in _setting(run)), []).append(run)
    return found


def seen(run: FoundRun, grouping: Grouping, law: Law | None = None) -> SeenRun:
    """A run as a flow, with its null flow.

    Args:
        run: of `tombola imp`, perhaps unfinished.
        grouping: as for `flow_of`.
        law: of the null flow; default: the initial weights of the run themselves, or those of its rewind point.

    Raises:
        ValueError: if no level is whole.
    """
    from tombola.renormalization import flow_of

    files, records = whole_levels(run)
    counts: list[list[int]] = []
    about = {name: value for name, value in run.settings.items() if name not in UNSAID}
    flow = flow_of(
        _tensors(files, len(records), counts),
        grouping=grouping,
        errors=[1 - record.accuracy for record in records],
        about=about | {"chance": 1 - 1 / classes_of(files), "method": run.method},
    )
    initial, _ = _begun(files)
    null = null_flow(flow, initial, grouping, law, counts if run.settings.get("by_layer") else None)
    return SeenRun(run.path, flow, null, {**about, "method": run.method}, _remarks(run, len(records), law))


def seen_foreign(folder: Path, grouping: Grouping, law: Law | None) -> SeenRun:
    """A folder of levels of another program as a flow.

    Raises:
        ValueError: if it cannot be read, see `read_levels`.
    """
    from dataclasses import replace

    from tombola.renormalization import flow_of, read_levels

    read = read_levels(folder)
    flow = flow_of(read.levels, grouping=grouping)
    masks, initial, remarks = read.levels[0][1], read.initial, list(read.remarks)
    null = None
    if initial is not None or law is not None:
        null = null_flow(flow, masks if initial is None else initial, grouping, law, None)
        if not read.has_weights:
            null = replace(null, magnitudes=null.counts.astype(float))
    else:
        remarks.append("no weights from before training are known: no null flow; add initial.pt, or name a --law")
    return SeenRun(folder, flow, null, {}, tuple(remarks))


def null_flow(
    flow: Flow,
    initial: Mapping[str, Tensor],
    grouping: Grouping,
    law: Law | None,
    counts: Sequence[Sequence[int]] | None,
) -> Flow:
    """What pruning alone makes of weights at the densities of a run.

    Args:
        flow: of the run.
        initial: its weights before training; with a law only their shapes count.
        grouping: as for `flow_of`.
        law: of initial weights, or None for these themselves.
        counts: kept weights of every parameter at every level if each layer is pruned by itself, or None.
    """
    from tombola.renormalization import empirical_null, expected_null, initial_laws

    if counts is not None:
        return _layered_null(initial, grouping, counts)
    if law is None:
        return empirical_null(flow.kept, initial, grouping=grouping)
    sizes = {name: value.numel() for name, value in initial.items()}
    return expected_null(flow.kept, sizes, initial_laws(initial, scheme=scheme_of(law)), grouping=grouping)


def _layered_null(initial: Mapping[str, Tensor], grouping: Grouping, counts: Sequence[Sequence[int]]) -> Flow:
    """Of each parameter as many of its largest weights as the run keeps of it."""
    import torch

    from tombola.renormalization import flow_of

    orders = {name: value.abs().flatten().argsort(descending=True, stable=True) for name, value in initial.items()}

    def masks(row: Sequence[int]) -> Masks:
        made = {name: torch.zeros(value.numel(), dtype=torch.bool) for name, value in initial.items()}
        for (name, mask), kept in zip(made.items(), row, strict=True):
            mask[orders[name][:kept]] = True
        return {name: mask.view_as(initial[name]) for name, mask in made.items()}

    return flow_of(((initial, masks(row)) for row in counts), grouping=grouping, about={"null": True})


def whole_levels(run: FoundRun) -> tuple[LevelFiles, list[Any]]:
    """The files of a run, and the records of the levels that are there and whole.

    Raises:
        ValueError: if there is none.
    """
    from tombola.runs import LevelFiles, RunFolder

    sha256 = json.loads((run.path / "config.json").read_text(encoding="utf-8"))["sha256"]
    files = LevelFiles(RunFolder(run.path, sha256))
    if not (records := files.finished()):
        raise ValueError(f"{run.path} has no level that is there and whole")
    return files, records


def classes_of(files: LevelFiles) -> int:
    """How many classes a run tells apart, by the header of its weights."""
    import safetensors

    with safetensors.safe_open(files.folder(0) / "weights.safetensors", framework="pt") as file:
        return int((file.metadata() or {})["classes"])


def _checked(run: FoundRun) -> FoundRun:
    """A run that is named.

    Raises:
        ValueError: if its levels do not follow from one another, or its settings cannot be read.
    """
    if run.state == "damaged":
        raise ValueError(f"{run.path / 'config.json'} is damaged")
    if run.method not in METHODS:
        raise ValueError(f"{run.path} is a run of {run.method}; a flow wants one of {', '.join(METHODS)}")
    return run


def _setting(run: FoundRun) -> tuple[object, ...]:
    about = {**run.settings, "method": run.method}
    return tuple(about[name] for name in SETTING)


def _tensors(files: LevelFiles, levels: int, counts: list[list[int]]) -> Iterator[tuple[dict[str, Tensor], Masks]]:
    """Trained weights and masks of each level; kept counts of parameters are added to `counts`."""
    from safetensors.torch import load_file

    for number in range(levels):
        _, masks = _begun(files, number)
        counts.append([int(mask.sum()) for mask in masks.values()])
        yield load_file(files.folder(number) / "weights.safetensors"), masks


def _begun(files: LevelFiles, number: int = 0) -> tuple[dict[str, Tensor], Masks]:
    """Weights that a level began with, and masks, of what is pruned."""
    import torch

    from tombola.ticket import load_ticket

    folder = files.folder(number)
    ticket = load_ticket(folder / "level.ticket")
    masks = ticket.masks()
    names = json.loads((folder / "level.json").read_text(encoding="utf-8"))["pruned"]
    weights = {name: torch.tensor(ticket.values[name]).view_as(masks[name]) for name in names}
    return weights, {name: masks[name] for name in names}


def _remarks(run: FoundRun, levels: int, law: Law | None) -> tuple[str, ...]:
    """What should be known of a run."""
    said = []
    if run.of is not None and levels < run.of:
        said.append(f"{run.path} has {levels} of {run.of} levels that are whole")
    if run.settings.get("reset") != "weights":
        said.append("weights are carried from level to level, not rewound; the null flow is that of the first ones")
    if law is not None and run.settings.get("by_layer"):
        said.append("every layer is pruned by itself; the null flow is that of the initial weights, not of a law")
    return tuple(said)
