"""Draws the pictures of the pages from recorded results, when the documentation is built.

A picture is a function of the records of one or more studies, `experiments/STUDY/result.json`; it becomes
`pictures/NAME.svg` of the site. Where a record is missing, so is the picture, and pages are shown without it.
"""

from __future__ import annotations

import io
import itertools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import NullFormatter, ScalarFormatter
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

Record = Mapping[str, Any]
IMAGE = re.compile(r"!\[[^\]]*\]\(pictures/([\w-]+)\.svg\)\n*")

# Text and paper are these two while a picture is drawn; the reader's system says what they become.
INK, PAPER = "#101112", "#fefdfc"
SCHEMES = (
    "<style>svg { --ink: #1f2328; --paper: #ffffff }"
    " @media (prefers-color-scheme: dark) { svg { --ink: #e6e6e6; --paper: #1e2129 } }</style>"
)
BLUE, RED, GREEN, PURPLE, GREY = "#2f7fc1", "#d55e00", "#009e73", "#b85c9e", "#8a8f98"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tombola",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "errorbar.capsize": 2,
}
CURVES = {  # colour and marker; curves of theory are dashed
    "malach-box": (RED, "v"),
    "malach-product": (BLUE, "^"),
    "golden-ratio": (GREEN, "D"),
    "fixed-size:3": (PURPLE, "s"),
    "pensia": (RED, "o"),
    "one-extra": (PURPLE, "P"),
    "depth-leveraged:4": (GREEN, "s"),
    "depth-leveraged:2": (GREEN, "o"),
    "two-layer": (BLUE, "o"),
    "counting bound": (GREY, ""),
}
WAYS = {  # to a network that does what a target does: what it is called, colour and marker
    "search": ("search", RED, "v"),
    "training": ("trained weights", PURPLE, "^"),
    "neurons": ("whole neurons at best", GREEN, "s"),
    "construction": ("construction", BLUE, "o"),
    "certificate": ("its certificate", BLUE, ""),
}
OUTPUTS = 10  # of all networks of the study of transfer
TIGHT = 0.045  # of the height of a plot: labels keep this distance
AT, BESIDE = 1.01, 1.06  # of its width: where lines to labels begin, and where labels do


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """The site's files, with the pictures among them."""
    for name, svg in drawn(Path(config.config_file_path).parent / "experiments").items():
        files.append(File.generated(config, f"pictures/{name}.svg", content=svg))
    return files


def on_page_markdown(markdown: str, files: Files, **_: Any) -> str:  # noqa: ANN401 - the signature of the event
    """The page without images of pictures that were not drawn."""
    known = {file.src_uri for file in files}
    return IMAGE.sub(lambda found: found[0] if f"pictures/{found[1]}.svg" in known else "", markdown)


def drawn(experiments: Path) -> dict[str, str]:
    """All pictures whose results are recorded, as SVG by name."""
    pictures = {}
    for name, (studies, picture) in PICTURES.items():
        paths = [experiments / study / "result.json" for study in studies]
        if all(path.exists() for path in paths):
            pictures[name] = svg_of(picture, [json.loads(path.read_text()) for path in paths])
    return pictures


def svg_of(picture: Callable[..., Figure], records: Sequence[Record]) -> str:
    """One picture, the same text for the same records."""
    written = io.StringIO()
    with mpl.rc_context(STYLE):
        picture(*records).savefig(written, format="svg", metadata={"Date": None})
    svg = written.getvalue()
    for drawn_with, shown_with in ((INK, "var(--ink)"), (PAPER, "var(--paper)"), ("'DejaVu Sans'", "sans-serif")):
        svg = svg.replace(drawn_with, shown_with)
    return svg.replace("<defs>", f"{SCHEMES}\n <defs>", 1)


def parent_by_tolerance(parents: Record) -> Figure:
    """The parent's size against the tolerance, finer to the right."""
    figure, axes = framed("weight tolerance, relative to the layer's largest weight")
    ends = parent_curves(axes, parents, "tolerance")
    axes.invert_xaxis()
    width = parents["config"]["width"]
    axes.set_title(f"Parent of a {width}-{width}-10 target", loc="left")
    return labelled(figure, axes, ends)


def parent_by_width(parents: Record) -> Figure:
    """The parent's size against the target's width."""
    figure, axes = framed("width of the target, units")
    ends = parent_curves(axes, parents, "width")
    axes.set_xticks(parents["config"]["widths"], [str(width) for width in parents["config"]["widths"]])
    axes.set_title(f"Parent of width-width-10 targets, tolerance {parents['config']['tolerance']:g}", loc="left")
    return labelled(figure, axes, ends)


def parent_curves(axes: Axes, parents: Record, axis: str) -> dict[str, float]:
    """Draws one curve for each construction; where they end, by label."""
    axes.set_yscale("log")
    axes.set_ylabel("weights of the parent\nfor each weight of the target")
    ends = {}
    for name, (colour, marker) in CURVES.items():
        row = {key: one for key, one in parents["table"][name].items() if key.startswith(f"{axis} ") and one}
        points = sorted((float(key.split()[1]), one["mean"], one["ci95"] or 0) for key, one in row.items())
        if not points:
            continue
        at, means, halves = zip(*points, strict=True)
        dashes = "-" if parents["basis"][name] == "measured" else "--"
        options = {"color": colour, "marker": marker, "markerfacecolor": colour if dashes == "-" else PAPER}
        axes.errorbar(at, means, halves if any(halves) else None, linestyle=dashes, **options)
        ends[name] = means[0] if axis == "tolerance" else means[-1]
    note = "solid: built, mean and 95 % interval of three seeds; dashed: what the theorem asks for"
    axes.figure.text(0.01, 0.01, note, fontsize=8.5)
    return ends


def cost_by_size(scale: Record, two_layer: Record) -> Figure:
    """Time for each weight against the number of weights."""
    figure, axes = framed("weights of the target")
    axes.set_ylabel("microseconds for each weight")
    ends, rows = {}, sorted(scale["table"].values(), key=lambda row: row["weights"]["mean"])
    at = [row["weights"]["mean"] for row in rows]
    for key, label, colour in (("microseconds", "building", BLUE), ("certificate microseconds", "certificate", RED)):
        means, halves = ([row[key][part] for row in rows] for part in ("mean", "ci95"))
        axes.errorbar(at, means, halves, color=colour, marker="o")
        ends[label] = means[-1]
    seconds = two_layer["table"]["sparsest at 0.01"]["seconds"]
    sizes = [int(size) for size in two_layer["config"]["model"].split(":")[1].split("-")]
    weights = sum(one * other for one, other in itertools.pairwise(sizes))
    mean, half = (1e6 * seconds[part] / weights for part in ("mean", "ci95"))
    axes.errorbar([weights], [mean], [half], color=GREEN, marker="s")
    text = f"{'-'.join(map(str, sizes))} on MNIST,\nall cores, both together"
    axes.annotate(text, (weights, mean - half), (0, -6), textcoords="offset points", ha="center", va="top")
    axes.set_ylim(0)
    axes.set_title("Cost of a weight in one layer, one thread, tolerance 0.01", loc="left")
    axes.figure.text(0.01, 0.01, "mean and 95 % interval of three seeds; of five for the network", fontsize=8.5)
    return labelled(figure, axes, ends)


def whole_networks(networks: Record) -> Figure:
    """Time for each weight of whole networks, against how many there are."""
    figure, axes = framed("weights of the network")
    axes.set_ylabel("microseconds for each weight")
    rows = sorted(networks["table"].items(), key=lambda row: row[1]["weights"]["mean"])
    at = [row["weights"]["mean"] for _, row in rows]
    building = [row["microseconds per weight"]["mean"] for _, row in rows]
    proving = [1e6 * row["certificate seconds"]["mean"] / row["weights"]["mean"] for _, row in rows]
    for heights, colour in ((building, BLUE), (proving, RED)):
        axes.plot(at, heights, color=colour, marker="o")
    for number, ((name, _), place, height) in enumerate(zip(rows, at, building, strict=True)):
        axes.annotate(name, (place, height), (0, -16 if number % 2 else 8), textcoords="offset points", ha="center")
    axes.set_ylim(0, 1.25 * max(building + proving))
    axes.set_title("Cost of a weight in whole networks, tolerance 0.01", loc="left")
    axes.figure.text(0.01, 0.01, f"one run each, {networks['cores']} cores", fontsize=8.5)
    return labelled(figure, axes, {"building": building[-1], "certificate": proving[-1]})


def proofs(two_layer: Record) -> Figure:
    """Certificate, attack and what is seen on real data, for the tickets of one trained network."""
    shown = {"certificate box": "certificate", "attack box": "attack", "rms output error": "test images, rms"}
    rows = {name: row for name, row in two_layer["table"].items() if shown.keys() <= row.keys()}
    return side_by_side(rows, shown)


def real_certificates(networks: Record) -> Figure:
    """The certificates of deep networks from end to end, beside the range of their outputs and what is seen."""
    shown = {
        "certificate": "certificate",
        "output range": "range of the target's outputs",
        "rms output error": "test images, rms",
    }
    return side_by_side(networks["table"], shown)


def side_by_side(rows: Mapping[str, Any], shown: Mapping[str, str]) -> Figure:
    """Three errors of every row on one logarithmic axis."""
    figure = Figure((7.2, 1.3 + 0.36 * len(rows)), layout="constrained")
    axes = figure.subplots()
    for (column, label), colour, marker in zip(shown.items(), (RED, PURPLE, BLUE), "v^o", strict=True):
        dots(axes, rows, column, colour=colour, marker=marker, label=label)
    axes.set_xscale("log")
    axes.set_xlabel("2-norm at the output, inputs in [0, 1]")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def real_networks(networks: Record) -> Figure:
    """What tickets of convolutional and residual networks change, and how tight the proofs of their layers are."""
    rows = networks["table"]
    figure = Figure((9.0, 1.6 + 0.36 * len(rows)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    dots(left, rows, "accuracy change", colour=BLUE, marker="o", label=None)
    left.axvline(0, color=GREY, linewidth=1)
    left.set_xlabel("change of test accuracy, points")
    for column, colour, marker in (("median layer ratio", GREEN, "s"), ("worst layer ratio", RED, "v")):
        dots(right, rows, column, colour=colour, marker=marker, label=column.replace(" ratio", ""))
    right.set_xlim(1)
    right.set_xlabel("certificate over attack, layer by layer")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    return figure


def dots(axes: Axes, rows: Mapping[str, Any], column: str, *, colour: str, marker: str, label: str | None) -> None:
    """One dot with its interval for each row, from the top down."""
    found = [row[column] for row in rows.values()]
    means, halves = [one["mean"] for one in found], [one["ci95"] or 0 for one in found]
    places = range(len(rows))
    axes.errorbar(means, places, xerr=halves, color=colour, marker=marker, linestyle="none", label=label)
    axes.set_yticks(places, list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x")


def universal_features(curves: Record) -> Figure:
    """The features of a ticket over the exact ones, and how far apart they are inside the proved band."""
    figure = Figure((9.0, 5.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, height_ratios=(2, 1))
    for column, (family, found) in enumerate(curves["features"].items()):
        upper, lower = panels[0][column], panels[1][column]
        lower.axhspan(-max(found["bounds"]), max(found["bounds"]), color=GREY, alpha=0.25, linewidth=0)
        for name, made, exact, colour in zip(
            found["names"], found["ticket"], found["exact"], (BLUE, RED, GREEN, PURPLE), strict=False
        ):
            upper.plot(curves["x"], exact, color=colour, linewidth=5, alpha=0.25)
            upper.plot(curves["x"], made, color=colour, linewidth=1.2, label=name)
            lower.plot(curves["x"], [one - other for one, other in zip(made, exact, strict=True)], color=colour)
        upper.set_title(f"{family}: {found['kept']} kept weights", loc="left")
        upper.legend(frameon=False, fontsize=8.5)
        lower.set_xlabel("x")
    panels[0][0].set_ylabel("feature: ticket thin, exact wide")
    panels[1][0].set_ylabel("difference,\nproved band")
    return figure


def one_ticket_many_tasks(curves: Record) -> Figure:
    """Four functions, each fitted on the features of the same ticket."""
    tasks = curves["tasks"]["curves"]
    figure = Figure((9.0, 4.8), layout="constrained")
    for axes, (name, task) in zip(figure.subplots(2, 2, sharex=True).flat, tasks.items(), strict=True):
        axes.plot(task["x"], task["y"], color=GREY, marker=".", linestyle="none", label="seen, in noise")
        axes.plot(curves["x"], task["true"], color=GREY, linestyle="--", label="function")
        axes.plot(curves["x"], task["fitted"], color=BLUE, label="fit on the ticket's features")
        axes.set_title(name, loc="left")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, frameon=False)
    return figure


def hardness(found: Record) -> Figure:
    """How far what is searched, trained or constructed stays from a target, as its dimension grows."""
    figure = Figure((9.0, 4.4), layout="constrained")
    titles = {"parity": "Parity of d bits: wrong answers", "neuron": "One neuron on d inputs: relative squared error"}
    for axes, (part, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        rows = found["table"][part]
        for name, (label, colour, marker) in WAYS.items():
            means, halves = ([row[name][key] or 0 for row in rows] for key in ("mean", "ci95"))
            line = "--" if name == "certificate" else "-"
            shown = label if part == "parity" else None
            axes.errorbar(
                [row["dimension"] for row in rows],
                means,
                halves,
                color=colour,
                marker=marker,
                linestyle=line,
                label=shown,
            )
        axes.set_title(title, loc="left")
        axes.set_xlabel(f"d; mean and 95 % interval of {max(row['seeds'] for row in rows)} seeds")
        axes.set_xticks([row["dimension"] for row in rows])
        axes.grid()
    parity, neuron = figure.axes
    parity.axhline(0.5, color=GREY, linewidth=1)
    parity.set_ylim(-0.03, 0.65)
    neuron.set_yscale("log")
    neuron.set_ylim(1e-7, 1)
    neuron.set_xscale("log", base=2)
    neuron.xaxis.set_major_formatter(ScalarFormatter())
    figure.legend(loc="outside upper center", ncols=5, frameon=False)
    return figure


def transfer_matrices(found: Record) -> Figure:
    """What tickets recover on other tasks, beside whether they were said to."""
    parts = {name: part for name, part in found["table"].items() if part["pairs"]}
    tasks = list(next(iter(parts.values()))["exponents"])
    size = 0.42 * len(tasks)
    figure = Figure((4.2 + 2 * size, 0.8 + len(parts) * (1.3 + size)), layout="constrained")
    panels = figure.subplots(len(parts), 2, squeeze=False)
    for (name, part), row in zip(parts.items(), panels, strict=True):
        measured = [[math.nan] * len(tasks) for _ in tasks]
        said = [[math.nan] * len(tasks) for _ in tasks]
        for pair in part["pairs"]:
            at, to = tasks.index(pair["source"]), tasks.index(pair["target"])
            value, verdict = pair["recovery"]["value"], pair["prediction"]
            measured[at][to] = math.nan if value is None else value
            chance = verdict["probability"]
            said[at][to] = math.nan if chance is None else chance
            if verdict["vetoed"]:
                row[1].text(to, at, "v", ha="center", va="center", fontsize=8)
        shown = matrix(row[0], tasks, measured, f"{name}: recovery, measured")
        matrix(row[1], tasks, said, f"{name}: probability, predicted; v: veto")
    figure.colorbar(shown, ax=panels, shrink=0.6, extend="both")
    return figure


def matrix(axes: Axes, tasks: Sequence[str], values: Sequence[Sequence[float]], title: str) -> AxesImage:
    """Numbers from 0 to 1 as colours, sources as rows; nothing where there is no number."""
    shown = axes.imshow(values, cmap="RdYlBu", vmin=0, vmax=1)
    axes.set_xticks(range(len(tasks)), tasks, rotation=60, ha="right", rotation_mode="anchor", fontsize=8.5)
    axes.set_yticks(range(len(tasks)), tasks, fontsize=8.5)
    axes.set_xlabel("target")
    axes.set_ylabel("source")
    axes.set_title(title, loc="left", fontsize=10)
    axes.tick_params(length=0)
    return shown


def error_by_density(found: Record) -> Figure:
    """The error of each task against density, with the law that is fitted to it where one can be."""
    parts = list(dict.fromkeys(one["part"] for one in found["runs"]))
    figure = Figure((9.6, 4.4), layout="constrained")
    for axes, part in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        runs = [one["flows"] for one in found["runs"] if one["part"] == part]
        for number, task in enumerate(runs[0]):
            colour = mpl.colormaps["viridis"](0.95 * number / max(1, len(runs[0]) - 1))
            one_error_curve(axes, [flows[task] for flows in runs], task, colour)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.invert_xaxis()
        axes.grid()
        axes.set_title(f"{part}: mean of {len(runs)} seeds", loc="left")
        axes.set_xlabel("density; lines: fitted law, where there are errors enough")
    figure.axes[0].set_ylabel("test error")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=8.5)
    return figure


def one_error_curve(axes: Axes, flows: Sequence[Record], task: str, colour: object) -> None:
    """Mean errors as dots, and as a line the law; without one where the densities do not fix it."""
    import numpy as np

    from tombola.imp import fit_scaling_law

    densities = [sum(row) / sum(flows[0]["sizes"]) for row in flows[0]["counts"]]
    errors = [sum(column) / len(flows) for column in zip(*(flow["errors"] for flow in flows), strict=True)]
    axes.plot(densities, errors, color=colour, marker="o", markersize=3.5, linestyle="none", label=task)
    try:
        law = fit_scaling_law(np.array(densities), np.array(errors), dense=errors[0], classes=OUTPUTS)
    except ValueError:  # the power law is not reached
        return
    axes.plot(densities, [law(density) for density in densities], color=colour, linewidth=1)


def framed(xlabel: str) -> tuple[Figure, Axes]:
    """A figure with one plot, logarithmic to the right, and room for labels to its right."""
    figure = Figure((7.2, 5.2))
    axes = figure.add_axes((0.11, 0.15, 0.66, 0.78))
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(xlabel)
    axes.grid()
    return figure, axes


def labelled(figure: Figure, axes: Axes, ends: Mapping[str, float]) -> Figure:
    """The figure with the name of every curve beside its end, names moved apart where curves meet."""
    log = math.log if axes.get_yscale() == "log" else float
    low, high = (log(limit) for limit in axes.get_ylim())
    beside = {"transform": axes.transAxes, "clip_on": False}
    below = -math.inf
    for name, end in sorted(ends.items(), key=lambda one: one[1]):
        height = (log(end) - low) / (high - low)
        below = max(height, below + TIGHT)
        axes.plot((AT, BESIDE - 0.01), (height, below), color=GREY, linewidth=0.7, **beside)
        axes.text(BESIDE, below, name, va="center", transform=axes.transAxes)
    return figure


PICTURES: dict[str, tuple[tuple[str, ...], Callable[..., Figure]]] = {
    "parent-by-tolerance": (("parents",), parent_by_tolerance),
    "parent-by-width": (("parents",), parent_by_width),
    "cost-by-size": (("scale", "two_layer"), cost_by_size),
    "whole-networks": (("whole_networks",), whole_networks),
    "proofs": (("two_layer",), proofs),
    "real-networks": (("real_networks",), real_networks),
    "real-certificates": (("real_networks",), real_certificates),
    "universal-features": (("universal_curves",), universal_features),
    "one-ticket-many-tasks": (("universal_curves",), one_ticket_many_tasks),
    "hardness": (("hardness",), hardness),
    "transfer-matrices": (("renormalization",), transfer_matrices),
    "error-by-density": (("renormalization",), error_by_density),
}
