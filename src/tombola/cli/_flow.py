"""`tombola flow`: what iterative pruning does to groups of weights, at which rates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _flow_options as options
from ._options import AsJson, check_writable
from ._output import print_json, print_next, print_table, shown

if TYPE_CHECKING:
    from tombola.renormalization import FlowReport, Grouping

    from ._flow_runs import SeenRun

    Runs = list[SeenRun]

COLUMNS = ("group", "size", "drift", "low", "high", "null", "anomalous", "share", "label")


def flow(
    runs: options.RunPaths = None,
    groups: options.GroupNames = None,
    foreign: options.ForeignFolders = None,
    window: options.WindowText = None,
    law: options.LawName = None,
    picture: options.Picture = None,
    coarse: options.Coarse = None,
    as_json: AsJson = False,
) -> None:
    """Show at which rates groups of weights gain and lose by pruning, beside what pruning alone would do."""
    grouping, levels = options.grouping_of(groups), options.window_of_text(window)
    _check(bool(runs), bool(foreign), picture, coarse)
    found = _found(runs or (), foreign or (), grouping, law)
    if len(found) > 1 and (picture is not None or coarse is not None):
        what = "--picture shows" if picture is not None else "--coarse is for"
        raise ValueError(f"{what} one setting, but there are {len(found)}; name the runs of one of them")
    reports = [reported(each, levels) for each in found]
    if coarse is not None:
        from ._flow_region import region_of

        reports = [replace(reports[0], region=region_of(found[0], reports[0].exponents.window, grouping, coarse))]
    if picture is not None:
        from ._flow_picture import draw

        draw(picture, found[0], reports[0])
    if as_json:
        _print_json(found, reports)
        return
    for each, report in zip(found, reports, strict=True):
        _print(each, report)
    _print_next(found[0], picture)


def _found(runs: Iterable[Path], foreign: Iterable[Path], grouping: Grouping, law: options.Law | None) -> list[Runs]:
    """The runs in folders, those of each setting together."""
    from ._flow_runs import seen, seen_foreign, settings_of

    if folders := dict.fromkeys(foreign):
        return [[seen_foreign(folder, grouping, law) for folder in folders]]
    return [[seen(run, grouping, law) for run in each] for each in settings_of(runs).values()]


def reported(runs: Sequence[SeenRun], levels: tuple[int, int | None]) -> FlowReport:
    """All that is said of runs of one setting."""
    from tombola.renormalization import flow_report, window_of

    flows, nulls = [run.flow for run in runs], [run.null for run in runs if run.null is not None]
    factors = {run.factor for run in runs}
    report = flow_report(
        flows,
        null=nulls if len(nulls) == len(flows) else None,
        window=window_of(flows, start=levels[0], stop=levels[1]),
        factor=factors.pop() if len(factors) == 1 else None,
    )
    said = [remark for run in runs for remark in run.remarks] + _repeated(runs)
    if report.anomalous is not None and report.anomalous.null is None and report.exponents.runs is not None:
        said.append("the null flow loses a group within the window: end it earlier with --window, or name a --law")
    return replace(report, refusals=tuple(dict.fromkeys([*said, *report.refusals])))


def _repeated(runs: Sequence[SeenRun]) -> list[str]:
    """Seeds that come twice."""
    seeds = [run.about["seed"] for run in runs if "seed" in run.about]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    return [f"several runs have the seed {twice[0]}: they are no independent samples"] if twice else []


def _check(has_runs: bool, has_foreign: bool, picture: Path | None, coarse: Path | None) -> None:
    """Raises before the work if options do not go together, or a picture could not be drawn."""
    if has_runs == has_foreign:
        raise ValueError("name folders of runs, or folders of another program with --foreign, and not both")
    if coarse is not None and has_foreign:
        raise ValueError("--coarse wants runs of `tombola imp`: levels of another program are no networks to be run")
    if picture is None:
        return
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ImportError("--picture needs matplotlib: pip install matplotlib", name="matplotlib") from error
    if picture.suffix not in {".svg", ".png", ".pdf"}:
        raise ValueError(f"--picture wants a file that ends in .svg, .png or .pdf, got {picture}")
    check_writable(picture)


def _print_json(found: Sequence[Sequence[SeenRun]], reports: Sequence[FlowReport]) -> None:
    """The report; those of several settings in a list, each with its setting."""
    if len(reports) == 1:
        print_json(reports[0].to_json())
        return
    settings = [
        {name: each[0].about[name] for name in ("data", "model", "method")}
        | {"runs": [str(run.path) for run in each]}
        | report.to_json()
        for each, report in zip(found, reports, strict=True)
    ]
    print_json({"settings": settings})


def _print(runs: Sequence[SeenRun], report: FlowReport) -> None:
    print_table(_title(runs), _rows(runs, report), header=COLUMNS)
    print_table("over the window", _summary(report))
    if report.refusals:
        print_table("to be known", [[line] for line in report.refusals])


def _title(runs: Sequence[SeenRun]) -> str:
    about, count = runs[0].about, f"{len(runs)} seed{'' if len(runs) == 1 else 's'}"
    what = f"{about['model']} on {about['data']}, {about['method']}" if about else str(runs[0].path)
    return f"{what}: {count}; rates per unit of -ln(density)"


def _rows(runs: Sequence[SeenRun], report: FlowReport) -> list[list[Any]]:
    """A row for each group of the flow, also of those that are left out."""
    record, exponents, flow = report.to_json(), report.exponents, runs[0].flow
    rows = []
    for name, size in zip(flow.groups, flow.sizes, strict=True):
        if name not in exponents.groups:
            rows.append([name, int(size), *[None] * 6, "left out"])
            continue
        drift, number = record["drift"][name], exponents.groups.index(name)
        null = None if record["null"] is None else record["null"][name]
        away = None if record["anomalous"] is None else record["anomalous"][name]["value"]
        change = None if exponents.share_change is None else math.exp(exponents.share_change[number])
        rates = [_rate(value) for value in (drift["value"], drift["low"], drift["high"], null, away)]
        rows.append([name, int(size), *rates, None if change is None else f"x {change:.2f}", drift["label"]])
    return rows


def _rate(value: float | None) -> str | None:
    return None if value is None else f"{value:+.3f}"


def _summary(report: FlowReport) -> list[list[Any]]:
    """The window and the task signal, in words."""
    record, window = report.to_json(), report.exponents.window
    rows: list[list[Any]] = [["window", "none"]]
    if window.times is not None:
        begin, end = (f"{math.exp(-time):.3g}" for time in window.times)
        levels = ", ".join(sorted({f"{first} to {last}" for first, last in window.levels}))
        rows = [["window", f"levels {levels}, densities {begin} to {end}"]]
    rows += [["", reason] for reason in window.reasons]
    signal = record["task_signal"]
    if signal is not None and signal["value"] is not None:
        ends = "" if signal["low"] is None else f", {signal['low']:.3f} to {signal['high']:.3f}"
        rows.append(["task signal", f"{signal['value']:.3f}{ends}"])
    if window.times is not None:
        rows.append(["gain of a level more", _memory(report)])
    if record["identity_residual"] is not None:
        rows.append(["residual of the identity", shown(record["identity_residual"])])
    return rows + _gates(report)


def _gates(report: FlowReport) -> list[list[Any]]:
    """Whether exponents are more than descriptions, if that was asked."""
    found = report.region
    if found is None:
        return []
    verdict = {True: "inside", False: "outside: exponents describe, no more", None: "not known"}[found.is_inside]
    numbers = [["semigroup defect on densities", found.semigroup], ["highest barrier", found.barrier]]
    return [
        ["linear region", verdict],
        *([name, shown(value)] for name, value in numbers),
        *(["", line] for line in found.refusals),
    ]


def _memory(report: FlowReport) -> str:
    """What the level before adds, or why that is not known."""
    found = report.markov
    if found.gain is None or found.low is None or found.high is None:
        return f"-, {found.refusals[0]}"
    return f"{found.gain:.3f}, {found.low:.3f} to {found.high:.3f}: {found.verdict}"


def _print_next(runs: Sequence[SeenRun], picture: Path | None) -> None:
    run = runs[0]
    if run.about:
        print_next("tombola", "transfer", run.path, "--to", run.about["data"], "--carry", "masks")
    elif picture is None:
        print_next("tombola", "flow", "--foreign", run.path, "--picture", "flow.svg")
