"""`tombola info`: what a ticket is."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

from ._cost import cost_lines, cost_record
from ._options import AsJson, TicketPath
from ._output import file_size, print_json, print_next, print_table, shown

if TYPE_CHECKING:
    from pathlib import Path

    from tombola.ticket import Ticket

COPIED = ("family", "steps", "options", "certificate", "target", "report", "search", "version")
WIDTH = 100  # of a line


def info(ticket: TicketPath, as_json: AsJson = False) -> None:
    """Show what a ticket holds: its source, its tensors, what it keeps and saves, and what it claims."""
    from tombola.ticket import load_ticket

    record = described(load_ticket(ticket), ticket)
    if as_json:
        print_json(record)
        return
    rows = [
        [entry["name"], " x ".join(map(str, entry["shape"])), entry["kept"], entry["density"], _law(entry["law"])]
        for entry in record["tensors"]
    ]
    rows.append(["all", record["source_parameters"], record["kept"], record["density"], ""])
    print_table("\n".join(_claims(record, ticket)), rows, header=["tensor", "units x edges", "kept", "density", "law"])
    if record["kind"] == "strong":
        print_next("tombola", "verify", ticket, "--target", "TARGET.safetensors")
    elif record["kind"] == "universal":
        print_next("tombola", "verify", ticket)


def described(ticket: Ticket, path: Path) -> dict[str, Any]:
    """What a ticket holds and claims, as JSON data."""
    from tombola.random_source import law_to_json
    from tombola.ticket import ticket_cost

    saves = {}
    if ticket.kind == "masked":
        saves = {**cost_record(ticket_cost(ticket)), "uses_known": "uses" in ticket.record}
    return {
        "kind": ticket.kind,
        "seed": None if ticket.source is None else ticket.source.seed,
        "source_parameters": ticket.source_parameters,
        "kept": ticket.kept,
        "density": ticket.density,
        "file_bytes": path.stat().st_size,
        **saves,
        **{key: ticket.record[key] for key in COPIED if key in ticket.record},
        "tensors": [
            {
                "name": name,
                "shape": list(tensor.mask.shape),
                "kept": tensor.mask.kept,
                "density": tensor.mask.kept / max(1, tensor.mask.shape[0] * tensor.mask.shape[1]),
                "law": "saved values" if tensor.law is None else law_to_json(tensor.law),
            }
            for name, tensor in ticket.tensors.items()
        ],
    }


def _claims(record: dict[str, Any], path: Path) -> list[str]:
    """What the ticket says of itself, a sentence to a line."""
    seed = "saved values" if record["seed"] is None else f"seed {record['seed']}"
    lines = [f"{path}: {record['kind']} ticket, {seed}, {file_size(record['file_bytes'])}"]
    if record["kind"] == "universal":
        return [*lines, *_feature_claims(record)]
    if record["kind"] == "masked":
        return [*lines, *_search_claims(record), *cost_lines(record, assumed=not record["uses_known"])]
    from tombola.strong import input_set_from_json

    options, report, layers = record["options"], record["report"], record["target"]["layers"]
    shape = record["target"]["input_shape"]
    if any(layer["window"] for layer in layers):
        widths = f"{len(layers)} layers on {' x '.join(map(str, shape))}"
    else:
        widths = " - ".join(str(layer["shape"][1]) for layer in layers) + f" - {layers[-1]['shape'][0]}"
    unit = "" if report["absolute"] else " of the largest in its layer"
    covered = input_set_from_json(record["certificate"]["input_set"]).describe(math.prod(shape))
    return [
        *lines,
        f"target: {widths}, {shown(report['target_parameters'])} weights",
        f"construction: {options['construction'].replace('_', '-')}, {options['solver']}",
        f"weights: within {shown(report['weight_epsilon'])}{unit}; {shown(report['failures'])} miss that",
        f"output: off by at most {shown(record['certificate']['bound'])} (2-norm, proved) for every input in {covered}",
    ]


def _search_claims(record: dict[str, Any]) -> list[str]:
    """What a searched ticket says of its search, which nobody has checked; nothing for others."""
    said = record.get("search")
    if not isinstance(said, dict):
        return []
    method, model, data, accuracy = (shown(said.get(key)) for key in ("method", "model", "data", "accuracy"))
    return [f"searched: {method} on {model}, {data}, no weight was trained; test accuracy {accuracy}"]


def _feature_claims(record: dict[str, Any]) -> list[str]:
    """What a universal ticket says of its features, a sentence to a line."""
    family, proof = record["family"], record["certificate"]
    dimension, features = family["dimension"], family["features"]
    if proof["guarantee"] == "exact":
        output = f"each off by at most {shown(max(proof['errors']))} (proved) for every input in [0, 1]^{dimension}"
    else:
        output = "nothing is proved of their errors"
    steps = ", ".join(_step(step) for step in record["steps"])
    return [
        f"family: {family_text(family)}, within {shown(family['tolerance'])}",
        textwrap.fill(f"steps: {steps}", WIDTH, subsequent_indent="  "),
        f"construction: {record['options']['construction'].replace('_', '-')}",
        f"features: {shown(features)}, {output}",
    ]


def family_text(family: dict[str, Any]) -> str:
    """A family in words, from its record.

    Example:
        >>> family_text({"name": "polynomial", "dimension": 2, "settings": {"degree": 3}})
        'polynomial of 2 inputs, degree 3'
    """
    settings = [
        f"{key} {', '.join(map(str, value)) if isinstance(value, list) else shown(value)}"
        for key, value in family["settings"].items()
    ]
    inputs = "1 input" if family["dimension"] == 1 else f"{shown(family['dimension'])} inputs"
    return ", ".join([f"{family['name']} of {inputs}", *settings])


def _step(step: dict[str, Any]) -> str:
    """A step in words: how many outputs, or how many knots in each channel."""
    if step["kind"] == "linear":
        return f"{step['name']} ({step['outputs']} outputs)"
    return f"{step['name']} ({' + '.join(map(str, step['knots']))} knots)"


def _law(law: str | dict[str, Any]) -> str:
    if isinstance(law, str):
        return law
    if "base" in law:
        return f"{law['law']} {_law(law['base'])}"
    return f"{law['law']}({', '.join(f'{value:g}' for key, value in law.items() if key != 'law')})"
