"""`tombola explain`: one weight as the sum of random numbers that it is."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from ._options import AsJson, TicketPath
from ._output import print_json, print_table


def explain(
    ticket: TicketPath,
    weight: Annotated[str, typer.Option(help="Layer, output and input: fc1[3,17]; fc1[3,bias] for a bias.")],
    as_json: AsJson = False,
) -> None:
    """Show the kept random numbers whose products add up to one weight."""
    from ..explanation import explain as explained
    from ..ticket import load_ticket

    found = re.fullmatch(r"(.+)\[(\d+), *(\d+|bias)\]", weight)
    if not found:
        raise typer.BadParameter(f"a weight is written layer[output,input], for example fc1[3,17]; got {weight!r}")
    layer, output, column = found.groups()
    terms = explained(load_ticket(ticket), layer, int(output), None if column == "bias" else int(column))
    record: dict[str, Any] = {"weight": weight, "value": sum(term["product"] for term in terms), "terms": terms}
    if as_json:
        print_json(record)
        return
    rows = [[term["unit"], term["path"], term["inner"], term["outer"], term["product"]] for term in terms]
    paths = dict.fromkeys(term["path"] for term in terms)
    rows += [["sum", path, "", "", sum(term["product"] for term in terms if term["path"] == path)] for path in paths]
    if not rows:
        rows = [["none", "", "", "", 0.0]]
    print_table(f"{weight} of {ticket}", rows, header=["hidden unit", "inputs", "kept in", "kept out", "product"])
