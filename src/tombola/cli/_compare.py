"""`tombola compare`: two tickets side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import AsJson
from ._output import print_json, print_table

if TYPE_CHECKING:
    from ..ticket import Ticket


def compare(
    first: Annotated[Path, typer.Argument(help="A .ticket file.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Show two tickets side by side, and how much their masks have in common."""
    from ..ticket import load_ticket

    tickets = [load_ticket(first), load_ticket(second)]
    described = [_described(ticket, path) for ticket, path in zip(tickets, (first, second), strict=True)]
    record = {"first": described[0], "second": described[1], "overlap": _overlap(*tickets)}
    if as_json:
        print_json(record)
        return
    rows: list[list[Any]] = [[key.replace("_", " "), described[0][key], described[1][key]] for key in described[0]]
    rows.append(["kept by both / by either", record["overlap"], ""])
    print_table("two tickets", rows, header=["", str(first), str(second)])


def _described(ticket: Ticket, path: Path) -> dict[str, Any]:
    report, options = ticket.record.get("report", {}), ticket.record.get("options", {})
    proof = ticket.certificate
    return {
        "kind": ticket.kind,
        "construction": options.get("construction"),
        "solver": options.get("solver"),
        "seed": None if ticket.source is None else ticket.source.seed,
        "source_parameters": ticket.source_parameters,
        "kept": ticket.kept,
        "density": ticket.density,
        "weight_epsilon": report.get("weight_epsilon"),
        "max_weight_error": report.get("max_weight_error"),
        "failures": report.get("failures"),
        "certified_bound": None if proof is None else proof.bound,
        "file_bytes": path.stat().st_size,
    }


def _overlap(first: Ticket, second: Ticket) -> float | None:
    """Edges that both keep over edges that either keeps; None where the parents share no seed or no tensor."""
    shared = [name for name in first.tensors if name in second.tensors]
    if first.source != second.source or not shared:
        return None
    both = either = 0
    for name in shared:
        masks = first.tensors[name].mask, second.tensors[name].mask
        rows = [set(zip(*(part.tolist() for part in mask.edges(0, mask.shape[0])), strict=True)) for mask in masks]
        both, either = both + len(rows[0] & rows[1]), either + len(rows[0] | rows[1])
    return both / max(1, either)
