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
    overlap, layers = _overlap(*tickets), _layers(*tickets)
    if as_json:
        print_json({"first": described[0], "second": described[1], "overlap": overlap, "layers": layers})
        return
    rows: list[tuple[Any, ...]] = [
        (key.replace("_", " "), described[0][key], described[1][key])
        for key in described[0]
        if any(one[key] is not None for one in described)
    ]
    rows.append(("edges kept by both / by either", "other parents" if overlap is None else overlap, ""))
    print_table("two tickets", rows, header=["", str(first), str(second)])
    if layers:
        header = ["weight", "kept", "kept", "by both", "by chance", "same sign"]
        shared = [
            [name, *each["kept"], each["both"], each["chance"], each["same_sign"]] for name, each in layers.items()
        ]
        print_table("kept by both, and by independent masks of the same size", shared, header=header)


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


def _layers(first: Ticket, second: Ticket) -> dict[str, Any] | None:
    """What the masks of ordinary models share, for each parameter that one of them prunes; None for other tickets.

    `chance` is the mean over independent random masks that keep as many. Signs are those of the weights that both keep,
    at the values of the tickets, saved or drawn; None if both keep none.
    """
    import numpy as np

    if {first.kind, second.kind} != {"masked"}:
        return None
    masks, found = (first.masks(), second.masks()), {}
    for name in masks[0].keys() & masks[1].keys():
        one, other = masks[0][name], masks[1][name]
        if one.shape != other.shape or bool((one & other).all()):
            continue
        both, kept = one & other, [int(one.sum()), int(other.sum())]
        chance = kept[0] * kept[1] / one.numel()
        found[name] = {"kept": kept, "both": int(both.sum()), "chance": chance, "same_sign": None}
        if both.any():
            values = [ticket.block(name, 0, ticket.tensors[name].mask.shape[0]) for ticket in (first, second)]
            signs = [np.sign(value.reshape(-1)[both.flatten().numpy()]) for value in values]
            found[name]["same_sign"] = float((signs[0] == signs[1]).mean())
    return {name: found[name] for name in first.tensors if name in found}


def _edges(mask: Mask, start: int) -> np.ndarray:
    """The kept edges of some rows, each as one number that does not depend on the mask's size."""
    rows, columns = mask.edges(min(start, mask.shape[0]), min(start + ROWS, mask.shape[0]))
    return (rows << 34) + columns
