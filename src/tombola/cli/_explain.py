"""`tombola explain`: one weight as the sum of random numbers that it is."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from ._options import AsJson, TicketPath, read_strong
from ._output import print_json, print_table, shown, write

WEIGHT = re.compile(r"(?P<layer>.+)\[ *(?P<output>\d+) *, *(?P<input>\d+|bias) *(?P<tap>(, *\d+ *)*)\]", re.ASCII)


def explain(
    ticket: TicketPath,
    weight: Annotated[
        str,
        typer.Option(
            metavar="WEIGHT",
            help="Layer, output and input in quotes, counted from 0: 'fc1[3,17]'; the bias is 'fc1[3,bias]'; of a "
            "convolution with the tap behind them: 'conv1[3,0,1,1]'.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show the kept random numbers whose products add up to one weight."""
    from tombola.explanation import explain as explained

    layer, output, column, tap = _parsed(weight)
    loaded = read_strong(ticket, "explain")
    terms = explained(loaded, layer, output, column, tap=tap)
    sums = {path: sum(term["product"] for term in terms if term["path"] == path) for path in _paths(terms)}
    record = {"weight": weight, "zeroed": not terms, "sums": sums, "terms": terms}
    if as_json:
        print_json(record)
        return
    _print(f"{weight} of {ticket}", record, loaded.record["report"])


def _print(title: str, record: dict[str, Any], report: dict[str, Any]) -> None:
    unit = "" if report["absolute"] else " times the largest weight of its layer"
    tolerance = f"tolerance: {shown(report['weight_epsilon'])}{unit}\n"
    if record["zeroed"]:
        write(f"{title} is 0, no edge is kept: the target's is within the tolerance of 0\n{tolerance}")
        return
    rows = [
        [str(term["unit"]), term["path"], term["inner"], term["outer"], term["product"]] for term in record["terms"]
    ]
    rows += [["sum", path, "", "", total] for path, total in record["sums"].items()]
    print_table(title, rows, header=["hidden unit", "for inputs", "kept in", "kept out", "product"])
    write(tolerance)


def _parsed(weight: str) -> tuple[str, int, int | None, list[int]]:
    found = WEIGHT.fullmatch(weight)
    if not found:
        raise ValueError(f"a weight is written layer[output,input], for example 'fc1[3,17]', in quotes; got {weight!r}")
    column = found["input"]
    tap = [int(number) for number in re.findall(r"\d+", found["tap"], re.ASCII)]
    return found["layer"], int(found["output"]), None if column == "bias" else int(column), tap


def _paths(terms: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(term["path"] for term in terms))
