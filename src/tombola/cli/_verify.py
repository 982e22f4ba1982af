"""`tombola verify`: a second opinion on a ticket."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import AsJson, ModelName, TicketPath, example_of, read_strong, read_target
from ._output import print_json, print_next, print_table, write
from ._progress import progress

if TYPE_CHECKING:
    from torch import Tensor

    from tombola.training import SavedModel
    from tombola.verification import Verification

CHECKS = {
    "source": "the source's values are those at the addresses",
    "masks": "the masks have the structure that the proof needs",
    "effective_weights": "kept edges add up to the weights that were hashed",
    "target": "the target is the one that the ticket was built for",
    "tolerance": "as many weights miss the tolerance as reported",
    "certificate": "the bound, proved again, is no larger",
    "attack": "no input that gradient ascent finds exceeds it",
    "inputs": "no given input exceeds it",
    "family": "the family in its record has its features and steps",
    "steps": "its steps bend where the record says",
    "sampled": "no feature is off by more on sampled inputs",
}
FIGURES = {
    "certified_bound": "output error, 2-norm, proved at most",
    "attack_error": "largest found by gradient ascent",
    "max_output_error": "largest seen at all",
    "output_range": "range of the target's outputs, 2-norm",
    "agreement": "same prediction",
    "accuracy_target": "accuracy of the target",
    "accuracy_ticket": "accuracy of the ticket",
}
OF_FEATURES = {
    "certified_bound": "error of any feature, proved at most",
    "max_output_error": "largest seen on sampled inputs",
}


def verify(
    ticket: TicketPath,
    target: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The network that a strong ticket stands for; most of its checks need it."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="Compare both on the test set of this data; default: the target's."),
    ] = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that a ticket claims: source, masks, weights, tolerance, certificate, behaviour.

    A universal ticket needs nothing besides.
    """
    with progress(f"verifying {ticket}"):
        found = verified(ticket, target, data=data, model=model)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found, ticket)
    if not found.ok:
        raise typer.Exit(1)


def verified(path: Path, target: Path | None, *, data: str | None = None, model: str | None = None) -> Verification:
    """The verification of the ticket in a file, against a target in another if there is one."""
    from tombola.ticket import load_ticket
    from tombola.verification import verify as check

    if target is None:
        if data or model:
            raise ValueError("--data and --model say how to compare ticket and target: give --target too")
        alone = load_ticket(path)
        found = check(alone)
        notes = {"target": "most checks need --target"} if alone.kind == "strong" else {}
        return replace(found, notes={**found.notes, **notes})
    ticket, saved = read_strong(path, "--target"), read_target(target, model)
    inputs, labels, note = _test_set(data, saved)
    found = check(ticket, target=saved.model, inputs=inputs, labels=labels)
    return replace(found, notes={**found.notes, "data": note}) if note else found


def _test_set(data: str | None, saved: SavedModel) -> tuple[Tensor | None, Tensor | None, str | None]:
    """Inputs and labels to run both networks on, or a note that says why there are none."""
    from tombola import data as datasets
    from tombola.errors import DataNotFoundError

    name = data or saved.data
    if name is None:
        return None, None, "the target's file names no data set; give one with --data to compare predictions"
    try:
        loaded = datasets.load(name)
    except DataNotFoundError as error:
        if data:
            raise
        return None, None, f"predictions were not compared: {error}"
    if saved.scaling is not None and name == saved.data:
        loaded = replace(loaded, scaling=saved.scaling)
    taken = example_of(saved).numel()
    if math.prod(loaded.input_shape) != taken:
        shape = " x ".join(map(str, loaded.input_shape))
        raise ValueError(f"the examples of {name!r} are of shape {shape}, the target takes {taken} numbers")
    return *loaded.test(), None


def _print(found: Verification, ticket: Path) -> None:
    record = found.to_json()
    rows: list[tuple[str, object]] = [
        (CHECKS.get(name, name), "holds" if holds else "FAILS") for name, holds in found.checks.items()
    ]
    figures = FIGURES | (OF_FEATURES if "family" in found.checks else {})
    rows += [(text, record[name]) for name, text in figures.items() if record[name] is not None]
    failed = sum(not holds for holds in found.checks.values())
    outcome = f"{failed} of {len(found.checks)} checks FAIL" if failed else "every check holds"
    print_table(f"{ticket}: {outcome}", rows)
    for note in found.notes.values():
        write(f"note: {note}\n")
    if found.ok:
        print_next("tombola", "info", ticket)
