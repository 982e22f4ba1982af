"""`tombola size`: the bytes of a ticket next to those of other forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._options import AsJson, TicketPath
from ._output import file_size, print_json, print_table, shown

if TYPE_CHECKING:
    from tombola.deploy import Sizes
    from tombola.ticket import Ticket


def size(ticket: TicketPath, as_json: AsJson = False) -> None:
    """Show how many bytes a ticket takes, next to other forms of its weights and to what no code could do without."""
    from tombola.deploy import sizes
    from tombola.ticket import load_ticket

    loaded = load_ticket(ticket)
    found = sizes(loaded)
    if as_json:
        print_json({"kind": loaded.kind, **found.to_json()})
        return
    dense = found.dense("float32")
    rows = [[name, count, None if count == 0 else dense / count] for name, count in _forms(found).items()]
    print_table("\n".join(_said(loaded, found, str(ticket))), rows, header=["form", "bytes", "times smaller"])
    layers = [
        [
            layer.name,
            layer.numbers,
            layer.kept,
            layer.dense("float32"),
            layer.csr,
            layer.mask,
            layer.values,
            layer.bound,
        ]
        for layer in found.layers
    ]
    header = ["tensor", "numbers", "kept", "float32", "CSR", "mask", "values", "bound"]
    print_table("bytes of each tensor", layers, header=header)


def _forms(found: Sizes) -> dict[str, int | float]:
    """The bytes of every form there is."""
    forms: dict[str, int | float] = {
        "dense, float32": found.dense("float32"),
        "dense, float16": found.dense("float16"),
        "dense, int8 and a scale for each tensor": found.dense("int8"),
        "CSR, float32 and 32-bit indices": found.csr,
        "this ticket": found.ticket,
    }
    if found.kept_float32 is not None:
        forms["the same, kept values alone"] = found.kept_float32
    if found.kept_float16 is not None:
        forms["the same, kept values alone in float16"] = found.kept_float16
    return {**forms, "bound: entropy of masks, kept values": found.bound}


def _said(ticket: Ticket, found: Sizes, path: str) -> list[str]:
    """What the ticket is, and what it spends on a weight of its target."""
    lines = [f"{path}: {ticket.kind} ticket, {file_size(found.ticket)} for {shown(ticket.source_parameters)} numbers"]
    if found.rate is not None:
        rate = found.rate
        lines.append(
            f"target: {shown(rate.weights)} weights, {file_size(4 * rate.weights)} in float32; "
            f"{shown(rate.ticket)} bits of mask for each, {shown(rate.uniform)} if rounded as closely, "
            f"bound {shown(rate.bound)}"
        )
    return lines
