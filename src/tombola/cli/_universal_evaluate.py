"""`tombola universal evaluate`: a read-out on another table."""

from __future__ import annotations

from . import _universal_options as options
from ._options import AsJson, TicketPath
from ._output import print_json, print_table
from ._universal_outcome import outcome, outcome_rows, target_of
from ._universal_read_out import CLASSES, ReadOut, load_read_out
from ._universal_table import read_table
from ._universal_ticket import Universal


def evaluate(
    ticket: TicketPath,
    readout: options.ReadOutPath,
    data: options.TableName,
    as_json: AsJson = False,
) -> None:
    """Apply a read-out to a table that has the columns it was fitted on, and compare with exact features."""
    read_out = load_read_out(readout)
    universal = Universal.read(ticket)
    check_belongs(read_out, readout, universal)
    table = read_table(data)
    for name in (*read_out.columns, read_out.target):
        if name not in table.columns:
            what = "target" if name == read_out.target else "column"
            raise ValueError(f"{data} has no column {name!r}, the {what} of {readout}")
    columns, target = table.numbers(read_out.columns), target_of(table, read_out.target, read_out.task)
    if read_out.task == CLASSES and not set(target.tolist()) & set(read_out.classes):
        known = ", ".join(read_out.classes[:8])
        raise ValueError(f"no value of {read_out.target!r} in {data} is a class of {readout}, which are {known}")
    if len(columns) < 2:
        raise ValueError(f"{data} has one row; a score needs two")
    found = outcome(read_out, universal, columns, target)
    if as_json:
        print_json({"ticket": str(ticket), "readout": str(readout), "data": data, **found})
        return
    rows: list[tuple[str, object]] = [("rows", found["rows"]), *outcome_rows(found)]
    print_table(f"{read_out.target} of {data} by {readout} on {ticket}", rows)


def check_belongs(read_out: ReadOut, path: object, universal: Universal) -> None:
    """Raises ValueError unless a read-out was fitted on this ticket."""
    wanted, features = universal.features.dimension, universal.features.count
    if read_out.ticket_sha256 != universal.sha256:
        raise ValueError(f"{path} was fitted on another ticket than {universal.path}: their effective weights differ")
    if read_out.low.size != wanted or read_out.coefficients.shape[1] != features:
        has = f"{read_out.low.size} inputs and {read_out.coefficients.shape[1]} features"
        raise ValueError(f"{path} is for {has}, and {universal.path} has {wanted} and {features}")
