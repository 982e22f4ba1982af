"""`tombola info`: what a ticket is."""

from __future__ import annotations

from typing import Any

from ._options import AsJson, TicketPath
from ._output import file_size, print_json, print_next, print_table


def info(ticket: TicketPath, as_json: AsJson = False) -> None:
    """Show what a ticket holds: its source, its tensors, what it keeps and what it claims."""
    from ..random_source import law_to_json
    from ..ticket import load_ticket

    loaded = load_ticket(ticket)
    record: dict[str, Any] = {
        "kind": loaded.kind,
        "seed": None if loaded.source is None else loaded.source.seed,
        "source_parameters": loaded.source_parameters,
        "kept": loaded.kept,
        "density": loaded.density,
        "file_bytes": ticket.stat().st_size,
        **{key: loaded.record[key] for key in ("options", "certificate", "target", "version") if key in loaded.record},
        "tensors": [
            {
                "name": name,
                "shape": list(tensor.mask.shape),
                "kept": tensor.mask.kept,
                "law": "saved values" if tensor.law is None else law_to_json(tensor.law),
            }
            for name, tensor in loaded.tensors.items()
        ],
    }
    if as_json:
        print_json(record)
        return
    title = f"{ticket}: {loaded.kind} ticket, seed {record['seed']}, {file_size(record['file_bytes'])}"
    rows = [
        [entry["name"], " x ".join(map(str, entry["shape"])), entry["kept"], entry["kept"] / max(1, entry["shape"][0] * entry["shape"][1]), _law(entry["law"])]
        for entry in record["tensors"]
    ]
    rows.append(["all", loaded.source_parameters, loaded.kept, loaded.density, ""])
    print_table(title, rows, header=["tensor", "units x edges", "kept", "density", "law"])
    if loaded.kind == "strong":
        print_next(f"tombola verify {ticket} --target TARGET.safetensors")


def _law(law: str | dict[str, Any]) -> str:
    if isinstance(law, str):
        return law
    return f"{law['law']}({', '.join(f'{value:g}' for key, value in law.items() if key != 'law')})"
