"""The picture of `tombola flow`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from tombola.renormalization import Flow, FlowReport

    from ._flow_runs import SeenRun

SPREAD = 0.16  # between a group's exponent and that of its null flow, in rows


def draw(path: Path, runs: Sequence[SeenRun], report: FlowReport) -> None:
    """Draws the log-ratios of groups over the time of the flow, and their exponents with intervals.

    Args:
        path: of the file, whose ending says its kind.
        runs: of one setting.
        report: of them.

    Raises:
        OSError: if the file cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from tombola.files import atomic_write

    groups = report.exponents.groups or runs[0].flow.groups
    colours = [mpl.colormaps["viridis"](0.9 * i / max(1, len(groups) - 1)) for i in range(len(groups))]
    figure = Figure((9.6, max(3.8, 1.6 + 0.3 * len(groups))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _flows(left, runs, groups, colours)
    _exponents(right, report, groups, colours)
    if report.exponents.window.times is not None:
        left.axvspan(*report.exponents.window.times, color="0.5", alpha=0.12, linewidth=0)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tombola"}), atomic_write(path) as file:
        kind = path.suffix[1:]
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None, dpi=150)


def _flows(axes: Axes, runs: Sequence[SeenRun], groups: Sequence[str], colours: Sequence[Any]) -> None:
    """Coordinates of every run as lines, those of its null flow dashed."""
    for name, colour in zip(groups, colours, strict=True):
        for number, run in enumerate(runs):
            axes.plot(*_curve(run.flow, groups, name), color=colour, linewidth=1.2, label=None if number else name)
        null = runs[0].null
        if null is not None:
            axes.plot(*_curve(null, groups, name), color=colour, linewidth=1.2, linestyle="--")
    axes.set_xlabel("time of the flow, -ln(density); window in grey")
    axes.set_ylabel("change of log-magnitude, less that of all groups")
    axes.set_title("Flow; dashed: pruning alone", loc="left", fontsize=10)


def _curve(flow: Flow, groups: Sequence[str], name: str) -> tuple[Any, Any]:
    """Times and coordinates of one group; levels at which a group has vanished are left out."""
    from tombola.renormalization import clr

    columns = [flow.groups.index(group) for group in groups]
    found = clr(flow.magnitudes[:, columns])[:, list(groups).index(name)]
    return flow.time, found - found[0]


def _exponents(axes: Axes, report: FlowReport, groups: Sequence[str], colours: Sequence[Any]) -> None:
    """A dot with its interval for each group from the top down, and a hollow one for the null flow."""
    record, places = report.to_json(), range(len(groups))
    axes.set_yticks(places, groups)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.axvline(0, color="0.5", linewidth=1)
    axes.set_xlabel("exponent; hollow: pruning alone")
    axes.set_title("Exponents, intervals over seeds", loc="left", fontsize=10)
    for place, name, colour in zip(places, groups, colours, strict=True):
        found = record["drift"].get(name, {"value": None})
        if found["value"] is None:
            continue
        error = None if found["low"] is None else [[found["value"] - found["low"]], [found["high"] - found["value"]]]
        axes.errorbar([found["value"]], [place - SPREAD], xerr=error, color=colour, marker="o", capsize=3)
        null = None if record["null"] is None else record["null"][name]
        if null is not None:
            axes.plot([null], [place + SPREAD], color=colour, marker="o", markerfacecolor="none", linestyle="none")
