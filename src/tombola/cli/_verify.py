"""`tombola verify`: a second opinion on a ticket."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import AsJson, ModelName, TicketPath, read_target
from ._output import print_json, print_table


def verify(
    ticket: TicketPath,
    target: Annotated[Path | None, typer.Option(help="The network that the ticket stands for.")] = None,
    data: Annotated[str | None, typer.Option(help="Compare both on the test set of this data; default: the target's.")] = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that a ticket claims: source, masks, weights, tolerance, certificate, behaviour."""
    from ..ticket import load_ticket
    from ..verification import verify as check

    loaded = load_ticket(ticket)
    saved = None if target is None else read_target(target, model)
    inputs = labels = None
    if saved is not None and (data or saved.data):
        inputs, labels = _test_set(data or str(saved.data), required=data is not None)
    if data is not None and saved is None:
        raise typer.BadParameter("data are for comparing ticket and target: give --target too")
    found = check(loaded, target=None if saved is None else saved.model, inputs=inputs, labels=labels)
    if as_json:
        print_json(found.to_json())
    else:
        rows: list[list[object]] = [[f"check: {name}", "holds" if holds else "FAILS"] for name, holds in found.checks.items()]
        rows += [[name.replace("_", " "), value] for name, value in found.to_json().items() if isinstance(value, float)]
        rows += [[f"note: {name}", note] for name, note in found.notes.items()]
        print_table(f"verification of {ticket}", rows)
    if not found.ok:
        raise typer.Exit(1)


def _test_set(name: str, *, required: bool):  # noqa: ANN202 - two tensors, or two times None; torch is imported on use
    from .. import data as datasets
    from ..errors import DataNotFoundError

    try:
        return datasets.load(name).test()
    except DataNotFoundError:
        if required:
            raise
        return None, None
