"""`tombola predict-transfer`: whether tickets of one task will do on another, before they are trained there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ._flow_options import GroupNames, WindowText, grouping_of, window_of_text
from ._options import AsJson
from ._output import print_json, print_next, print_table

if TYPE_CHECKING:
    from tombola.data import DataSet
    from tombola.renormalization import Grouping, Window
    from tombola.transfer import Prediction, ZeroShot

    from ._flow_runs import SeenRun

Source = Annotated[Path, Argument(metavar="RUN_A", help="A run on the source, or a folder with one for each seed.")]
TargetPath = Annotated[Path, Argument(metavar="RUN_B", help="Likewise on the target; perhaps the same folder.")]
FromData = Annotated[str | None, Option("--from", metavar="DATA", help="Which runs in the folder RUN_A, by data.")]
ToData = Annotated[str | None, Option("--to", metavar="DATA", help="Which runs in the folder RUN_B, by data.")]


def predict_transfer(
    source: Source,
    target: TargetPath,
    from_data: FromData = None,
    to_data: ToData = None,
    groups: GroupNames = None,
    window: WindowText = None,
    as_json: AsJson = False,
) -> None:
    """Predict whether tickets of one task recover what another task's own are worth there."""
    from tombola import transfer

    grouping = grouping_of(groups)
    first, second = _runs(source, from_data, "--from", grouping), _runs(target, to_data, "--to", grouping)
    fitted = _window(first, second, window_of_text(window))
    data, said = _targets(first, second)
    shots = [] if data is None else _shots(first, data[1], fitted)
    found = transfer.predict_transfer(
        [run.flow for run in first],
        [run.flow for run in second],
        null_a=[run.null for run in first if run.null is not None],
        null_b=[run.null for run in second if run.null is not None],
        zero_shots=shots,
        skews=None if data is None else (transfer.input_skew(data[0]), transfer.input_skew(data[1])),
        window=fitted,
    )
    record = found.to_json()
    remarks = [remark for run in [*first, *second] for remark in run.remarks] + said
    record["evidence"]["refusals"] = list(dict.fromkeys([*remarks, *record["evidence"]["refusals"]]))
    if as_json:
        print_json(record)
        return
    _print(first, second, found, record)
    print_next("tombola", "transfer", first[0].path, "--to", second[0].about["data"], "--native", second[0].path)


def _runs(path: Path, data: str | None, option: str, grouping: Grouping) -> list[SeenRun]:
    """The runs of one setting in a folder.

    Raises:
        ValueError: if there are none, or those of several settings.
    """
    from ._flow_runs import seen, settings_of

    settings = settings_of([path])
    chosen = {setting: runs for setting, runs in settings.items() if data is None or setting[0] == data}
    if len(chosen) != 1:
        there = "; ".join(f"{method}, {model} on {name}" for name, model, method in settings)
        raise ValueError(f"{path} holds runs of {there}; wanted those of one setting, see {option}")
    return [seen(run, grouping) for runs in chosen.values() for run in runs]


def _window(first: Sequence[SeenRun], second: Sequence[SeenRun], levels: tuple[int, int | None]) -> Window | None:
    """That of all runs together; None if they have not the same groups."""
    from tombola.renormalization import window_of

    if first[0].flow.groups != second[0].flow.groups:
        return None
    return window_of([run.flow for run in [*first, *second]], start=levels[0], stop=levels[1])


def _targets(first: Sequence[SeenRun], second: Sequence[SeenRun]) -> tuple[tuple[DataSet, DataSet] | None, list[str]]:
    """The data of both tasks, or why they are not to be had."""
    from tombola.data import load

    try:
        return (load(first[0].about["data"]), load(second[0].about["data"])), []
    except (OSError, ValueError) as error:
        return None, [f"the data of a task are not at hand, so neither zero-shot error nor skews are known: {error}"]


def _shots(first: Sequence[SeenRun], data: DataSet, window: Window | None) -> list[ZeroShot]:
    """How tickets of the source do on the target before training, at the last level of the window."""
    from tombola.transfer import zero_shot

    from ._transfer_arms import carried_to, ticket_of

    found = []
    for number, run in enumerate(first):
        level = window.levels[number][1] if window is not None and window.levels else None
        ticket = ticket_of(run.path, level, None)
        try:
            found.append(zero_shot(carried_to(ticket, data, 0), data))
        except ValueError:  # the networks have other inputs or layers, which predict_transfer says itself
            return []
    return found


def _print(first: Sequence[SeenRun], second: Sequence[SeenRun], found: Prediction, record: dict[str, Any]) -> None:
    names = [f"{runs[0].about['data']}, {_seeds(len(runs))}" for runs in (first, second)]
    print_table(f"{names[0]}, to {names[1]}: {found.verdict}", _evidence(found, record))
    print_table("cannot be seen this way", [[line] for line in found.cannot_see])
    if refusals := record["evidence"]["refusals"]:
        print_table("to be known", [[line] for line in refusals])


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def _evidence(found: Prediction, record: dict[str, Any]) -> list[list[Any]]:
    """A line for each thing that it was decided by, or that was looked at."""
    evidence = record["evidence"]
    rows: list[list[Any]] = [["probability of a recovery above 0.7", _number(found.probability)]]
    for task, signal in evidence["task_signals"].items():
        ends = "" if signal["low"] is None else f", {signal['low']:.3f} to {signal['high']:.3f}"
        rows.append([f"task signal of the {task}", f"{_number(signal['value'])}{ends}"])
    shot = evidence["zero_shot"]
    if shot is not None:
        veto = ", which is a veto" if shot["is_vetoed"] else ""
        rows.append(
            ["error on the target before training", f"{shot['error']:.3f}, guessing {shot['chance']:.3f}{veto}"]
        )
    compared = evidence["universality"]
    rows.append(["exponents", compared["verdict"]])
    rows.append(["their distance", _number(compared["distance"])])
    rows.append(["p-value of a difference", _number(compared["p_value"])])
    skews = evidence["sign_alignment"]
    if skews is not None:
        rows.append(["skew of the inputs", " and ".join(f"{skew:+.2f}" for skew in skews["skews"])])
    return rows


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
