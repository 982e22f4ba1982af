"""`tombola compare`: two tickets side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._info import family_text
from ._options import AsJson
from ._output import print_json, print_table

if TYPE_CHECKING:
    import numpy as np

    from tombola.ticket import Mask, Ticket

ROWS = 4096  # of a mask that are compared at a time


def compare(
    first: Annotated[Path, typer.Argument(metavar="TICKET", help="A .ticket file.")],
    second: Annotated[Path, typer.Argument(metavar="OTHER", help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Show two tickets side by side, and how much their masks have in common."""
    from tombola.ticket import load_ticket

    tickets = [load_ticket(path) for path in (first, second)]
    described = [_described(ticket, path) for ticket, path in zip(tickets, (first, second), strict=True)]
    overlap = _overlap(*tickets)
    if as_json:
        print_json({"first": described[0], "second": described[1], "overlap": overlap})
        return
    rows: list[tuple[Any, ...]] = [
        (key.replace("_", " "), described[0][key], described[1][key])
        for key in described[0]
        if any(one[key] is not None for one in described)
    ]
    rows.append(("edges kept by both / by either", "other parents" if overlap is None else overlap, ""))
    print_table("two tickets", rows, header=["", str(first), str(second)])


def _described(ticket: Ticket, path: Path) -> dict[str, Any]:
    report, options = ticket.record.get("report", {}), ticket.record.get("options", {})
    proof = ticket.certificate
    return {
        "kind": ticket.kind,
        "family": family_text(ticket.record["family"]) if ticket.kind == "universal" else None,
        "features": ticket.record["family"]["features"] if ticket.kind == "universal" else None,
        "construction": options.get("construction", "").replace("_", "-") or None,
        "solver": options.get("solver"),
        "seed": None if ticket.source is None else ticket.source.seed,
        "source_parameters": ticket.source_parameters,
        "kept": ticket.kept,
        "density": ticket.density,
        "weight_epsilon": report.get("weight_epsilon"),
        "max_weight_error": report.get("max_weight_error"),
        "failures": report.get("failures"),
        "certified_bound": None if proof is None else float(proof.bound),
        "bound_of": None if proof is None else "any feature" if ticket.kind == "universal" else "the output, 2-norm",
        "file_bytes": path.stat().st_size,
    }


def _overlap(first: Ticket, second: Ticket) -> float | None:
    """Edges that both keep over edges that either keeps; None where the parents share no seed or no tensor."""
    import numpy as np

    names = [name for name in first.tensors if name in second.tensors]
    if first.source != second.source or not names:
        return None
    both = either = 0
    for name in names:
        masks = first.tensors[name].mask, second.tensors[name].mask
        for start in range(0, max(mask.shape[0] for mask in masks), ROWS):
            edges = [_edges(mask, start) for mask in masks]
            common = np.intersect1d(*edges, assume_unique=True).size
            both, either = both + common, either + edges[0].size + edges[1].size - common
    return both / max(1, either)


def _edges(mask: Mask, start: int) -> np.ndarray:
    """The kept edges of some rows, each as one number that does not depend on the mask's size."""
    rows, columns = mask.edges(min(start, mask.shape[0]), min(start + ROWS, mask.shape[0]))
    return (rows << 34) + columns
