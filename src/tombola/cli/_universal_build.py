"""`tombola universal build`: the features of a family, found in a random network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _universal_options as options
from ._options import AsJson, check_writable
from ._output import file_size, print_json, print_next, print_table, shown, write
from ._progress import progress
from ._recommend import spelled

if TYPE_CHECKING:
    import numpy as np

    from tombola.ticket import Ticket
    from tombola.universal import Family

    from ._progress import Progress

SAMPLE = 2**16  # random inputs on which errors are measured, or points of a grid if there is one input
ENTRIES = 2**21  # features that are computed at a time


def build(  # noqa: PLR0913 - one parameter for each option
    family: options.Family,
    dimension: options.Dimension,
    degree: options.Degree = None,
    frequency: options.Frequency = None,
    period: options.Period = None,
    fold: options.Fold = False,
    knots: options.Knots = None,
    output: options.TicketOutput = None,
    tolerance: options.ToleranceOfFeatures = None,
    seed: options.SourceSeed = 0,
    construction: options.ConstructionName = "paths",
    width: options.Width = 16384,
    as_json: AsJson = False,
) -> None:
    """Find one mask on a random network whose outputs are the features of a family, and prove how closely."""
    from tombola import universal

    given = {"degree": degree, "frequency": frequency, "period": period, "fold": fold or None, "knots": knots}
    settings = {name: value for name, value in given.items() if value is not None}
    if family is options.FamilyName.FOURIER and frequency is None:
        raise ValueError("the family 'fourier' needs --frequency")
    maker = construction_of(construction)
    if output is not None:
        check_writable(output)
    with progress(f"building {family.value} features", text="kernels are compiled on first use"):
        wanted = universal.named_family(family.value, dimension, tolerance=tolerance, **settings)
        ticket = universal.build(wanted, seed=seed, construction=maker, width=width)
    with progress("measuring errors on a sample of inputs") as report:
        measured = largest_seen(ticket, wanted, report)
    record = summary(ticket, wanted, measured)
    if output is not None:
        record |= {"ticket": str(output), "ticket_bytes": ticket.save(output)}
    _print(record, output, as_json)


def construction_of(name: str) -> Callable[..., Any] | None:
    """What `universal.build` takes for a construction of this name.

    Raises:
        ValueError: for another name.
    """
    from tombola.strong import named_construction

    if name == "paths":
        return None
    if name.partition(":")[0] not in {"two-layer", "depth-leveraged"}:
        raise ValueError(f"a universal ticket is built by paths, two-layer or depth-leveraged:K, got {name!r}")
    return named_construction(name)


def summary(ticket: Ticket, family: Family, measured: float) -> dict[str, Any]:
    """What there is to say of a ticket and its family, with room for its file."""
    proof, described, options = ticket.certificate, ticket.record["family"], ticket.record["options"]
    assert proof is not None
    assert ticket.source is not None
    return {
        "ticket": None,
        "ticket_bytes": None,
        "family": family.name,
        "dimension": family.dimension,
        **described["settings"],
        "features": family.features,
        "construction": spelled(options["construction"]),
        "seed": ticket.source.seed,
        "tolerance": family.tolerance,
        "sup_error_bound": proof.bound,
        "met": proof.bound <= family.tolerance,
        "sup_error_measured": measured,
        "source_parameters": ticket.source_parameters,
        "widths": [ticket.tensors[stage.weight].outputs for stage in ticket.stages],
        "kept": ticket.kept,
        "density": ticket.density,
        "knots": {step["name"]: step["knots"] for step in ticket.record["steps"] if step["kind"] == "block"},
        "seconds": ticket.record["report"]["seconds"],
    }


def largest_seen(ticket: Ticket, family: Family, report: Progress) -> float:
    """The largest error of any feature on a sample of the box: what no bound can be below."""
    import numpy as np

    from tombola.universal import Features

    features, points = Features.of(ticket), _sample(family.dimension)
    rows = max(1, ENTRIES // family.features)
    worst = 0.0
    for start in range(0, len(points), rows):
        x = points[start : start + rows]
        worst = max(worst, float(np.abs(features(x) - family.exact(x)).max()))
        report.reach(min(start + rows, len(points)), len(points), f"largest {worst:.2e}")
    return worst


def _sample(dimension: int) -> np.ndarray:
    """Inputs `(n, dimension)`: a grid of one, else random inputs, on the edges of the box as well."""
    import numpy as np

    if dimension == 1:
        return np.linspace(0.0, 1.0, SAMPLE + 1)[:, None]
    draw = np.random.default_rng(0)
    return np.concatenate([draw.random((SAMPLE, dimension)), *_edges(dimension, draw)])


def _edges(dimension: int, draw: np.random.Generator) -> Iterator[np.ndarray]:
    """Inputs on edges of the box, of which one number is free, and some of its corners with the two extreme ones."""
    import numpy as np

    edges = draw.integers(0, 2, (SAMPLE // 4, dimension)).astype(np.float64)
    edges[np.arange(len(edges)), draw.integers(0, dimension, len(edges))] = draw.random(len(edges))
    yield edges
    yield np.unique(draw.integers(0, 2, (SAMPLE // 16, dimension)), axis=0).astype(np.float64)
    yield np.array([[0.0], [1.0]]) * np.ones(dimension)


def _print(record: dict[str, Any], output: Path | None, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    verdict = "met" if record["met"] else "NOT MET"
    rows: list[tuple[str, object]] = [
        ("features", record["features"]),
        ("layers of the random parent", len(record["widths"])),
        ("units of its widest layer", max(record["widths"])),
        ("weights of the random parent", record["source_parameters"]),
        ("kept", record["kept"]),
        *((f"knots of {name}", ", ".join(map(str, counts))) for name, counts in record["knots"].items()),
        ("error of any feature, over the box", f"at most {shown(record['sup_error_bound'])} (proved)"),
        ("largest error seen on a sample", record["sup_error_measured"]),
        ("wanted", f"at most {shown(record['tolerance'])}: {verdict}"),
        ("seconds", record["seconds"]),
    ]
    if output is not None:
        rows.append((str(output), file_size(record["ticket_bytes"])))
    print_table(f"{record['family']} ticket on [0, 1]^{record['dimension']}, seed {record['seed']}", rows)
    if output is None:
        write("note: nothing was written; -o names a file\n")
    else:
        print_next("tombola", "universal", "inspect", output)
