"""`tombola universal inspect`: what a universal ticket holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ._options import AsJson, TicketPath
from ._output import file_size, print_json, print_next, print_table, shown, write
from ._recommend import spelled
from ._universal_ticket import Universal

if TYPE_CHECKING:
    from tombola.ticket import Ticket

FEATURES = 20  # that a person is shown
SHARED = "a block is shared by all of its inputs: its weights do not grow with the dimension"


def inspect(ticket: TicketPath, as_json: AsJson = False) -> None:
    """Show a universal ticket: its family, its steps with their knots and weights, and its features."""
    found = Universal.read(ticket)
    record = described(found)
    if as_json:
        print_json(record)
        return
    settings = "".join(f", {name} {shown(value)}" for name, value in record["settings"].items())
    bound = f"at most {shown(record['sup_error_bound'])} (proved)" if record["proved"] else "not proved"
    lines = [
        f"{ticket}: universal ticket, seed {record['seed']}, {file_size(record['file_bytes'])}",
        f"family: {record['family']}{settings}, {record['features']} features on [0, 1]^{record['dimension']}",
        f"construction: {record['construction']}",
        f"error of any feature, over the box: {bound}; wanted {shown(record['tolerance'])}",
    ]
    rows = [
        [step["name"], step["kind"], _knots(step), step["source_parameters"], step["kept"]] for step in record["steps"]
    ]
    rows.append(["all", "", "", record["source_parameters"], record["kept"]])
    print_table("\n".join(lines), rows, header=["step", "kind", "knots", "weights of the parent", "kept"])
    if any(step["kind"] == "block" for step in record["steps"]):
        write(f"note: {SHARED}\n")
    _print_features(record)
    print_next("tombola", "universal", "fit", ticket, "DATA", "-o", "readout.json")


def described(found: Universal) -> dict[str, Any]:
    """What a universal ticket holds and claims, as JSON data."""
    ticket, family, proof = found.ticket, found.ticket.record["family"], found.ticket.certificate
    assert proof is not None
    assert ticket.source is not None
    proved = bool(proof.bound < math.inf)
    errors = proof.errors.tolist() if proved else [None] * family["features"]
    return {
        "kind": ticket.kind,
        "family": family["name"],
        "dimension": family["dimension"],
        "settings": family["settings"],
        "tolerance": family["tolerance"],
        "construction": spelled(ticket.record["options"]["construction"]),
        "seed": ticket.source.seed,
        "source_parameters": ticket.source_parameters,
        "kept": ticket.kept,
        "density": ticket.density,
        "file_bytes": found.path.stat().st_size,
        "proved": proved,
        "sup_error_bound": proof.bound,
        "steps": [{**step, **_counted(ticket, step["name"])} for step in ticket.record["steps"]],
        "features": family["features"],
        "names": found.labels,
        "errors": errors,
    }


def _counted(ticket: Ticket, step: str) -> dict[str, int]:
    """How many weights of the parent a step has, and how many of them are kept."""
    masks = [tensor.mask for name, tensor in ticket.tensors.items() if name.startswith(f"{step}.")]
    source = sum(mask.shape[0] * mask.shape[1] for mask in masks)
    return {"source_parameters": source, "kept": sum(mask.kept for mask in masks)}


def _knots(step: dict[str, Any]) -> str:
    return ", ".join(map(str, step["knots"])) if step["kind"] == "block" else ""


def _print_features(record: dict[str, Any]) -> None:
    first = list(zip(record["names"], record["errors"], strict=True))[:FEATURES]
    left = record["features"] - len(first)
    title = f"the first {len(first)} of {record['features']} features" if left else "features"
    print_table(title, first, header=["feature", "error, proved"])
