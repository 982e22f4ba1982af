"""The `.ticket` file: safetensors with the masks as tensors and everything else as one JSON text.

Nothing is unpickled. Before any array is made, the header's length and its table are checked against the size of the
file; then the SHA-256 over record and arrays; then that all parts of the ticket fit each other. What the reader does
not know by name it refuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from tombola.activations import RELU, Activation
from tombola.errors import TicketFileError
from tombola.files import atomic_write
from tombola.random_source import Source, law_from_json, law_to_json

from ._check import check_ticket
from ._container import content_sha256, read_container, write_container
from ._encoding import BitMask, Mask, OwnerMask
from ._entropy import WAYS, code_pays, decode_bits, encode_bits
from ._json import check_json, strict_json
from ._ticket import MaskedTensor, Stage, Ticket
from ._values import decode_values, encode_values

FORMAT = "tombola-ticket/1"
ENCODINGS = ("owner", "bits", *(part for way in WAYS for part in way))
TENSOR = {"name": str, "columns": int, "law": (dict, type(None)), "transposed": bool}
STAGE = {"layer": str, "weight": str, "bias": (str, type(None)), "relu": bool, "activation": (dict, type(None))}
ACTIVATION = {
    "name": str,
    "settings": {},
    "above": float,
    "below": float,
    "offset": float,
    "curvature": float,
    "power": float,
}
SOURCE = {"seed": int, "generation": int}
WHOLE = {"kind": str, "source": (dict, type(None)), "tensors": [TENSOR], "stages": [STAGE], "record": {}}


def save_ticket(ticket: Ticket, path: Path) -> int:
    """Writes a ticket atomically and returns the file's size in bytes. Equal tickets give equal bytes.

    Raises:
        ValueError: if the ticket is not complete, so that no one could load it.
        OSError: if the file cannot be written; a file that was there before is left as it was.
    """
    check_ticket(ticket)
    arrays = ticket_arrays(ticket)
    with atomic_write(path) as file:
        return write_ticket(ticket, arrays, file)


def write_ticket(ticket: Ticket, arrays: Mapping[str, np.ndarray], file: IO[bytes]) -> int:
    """Writes a ticket with its arrays to an open file, unchecked, and returns how many bytes that took."""
    text = json.dumps(_data(ticket), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return write_container(file, arrays, {"format": FORMAT, "ticket": text, "sha256": content_sha256(text, arrays)})


def load_ticket(path: Path | str) -> Ticket:
    """The ticket in a file.

    Args:
        path: a file that `Ticket.save` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        TicketFileError: if it is not a ticket, is damaged, or is of a version that this library does not know.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp()) / "three.ticket"
        >>> size = Ticket.from_masks(torch.nn.Linear(3, 1), {"weight": torch.tensor([[True, False, True]])}).save(path)
        >>> load_ticket(path).masks()["weight"]
        tensor([[ True, False,  True]])
        >>> _ = path.write_bytes(path.read_bytes().replace(b"weight", b"Weight"))
        >>> load_ticket(path)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        tombola.errors.TicketFileError: ... its contents do not match its SHA-256: the file is damaged; ...
    """
    try:
        metadata, arrays = read_container(path)
        if metadata.get("format") != FORMAT:
            raise ValueError(f"its format is {metadata.get('format')!r}, this library reads {FORMAT!r}")
        _check_entries(metadata, {"format": str, "ticket": str, "sha256": str}, "metadata")
        if metadata["sha256"] != content_sha256(metadata["ticket"], arrays):
            raise ValueError("its contents do not match its SHA-256: the file is damaged; fetch or build it again")
        return _ticket(strict_json(metadata["ticket"], "its record"), arrays)
    except ValueError as error:
        raise TicketFileError(path, f"not a readable ticket: {error}") from error


def ticket_arrays(ticket: Ticket) -> dict[str, np.ndarray]:
    """Every array of a ticket's file, by what it holds, a tensor's name and a part: `mask/fc1.weight/bits`.

    Masks are coded, in `mask/NAME/PART` and `generation/NAME/NUMBER/PART`. Saved values are in `value/NAME`, or in
    `kept/NAME` if pruned ones are zero.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, tensor in ticket.tensors.items():
        arrays |= {f"mask/{name}/{part}": array for part, array in _encoded(tensor.mask).items()}
        for number, mask in enumerate(tensor.generations, 1):
            arrays |= {f"generation/{name}/{number}/{part}": array for part, array in _encoded(mask).items()}
    for number, stage in enumerate(ticket.stages):
        if stage.copies is not None:
            arrays[f"copies/{number}"] = stage.copies.astype("<i4")
    for name, value in ticket.values.items():
        stored = encode_values(value, ticket.tensors[name].mask)
        arrays |= {f"{part}/{name}": array for part, array in stored.items()}
    return arrays


def _encoded(mask: Mask) -> dict[str, np.ndarray]:
    """The smaller of the encodings that a mask has."""
    if isinstance(mask, OwnerMask):
        return {"owner": mask.owner}
    coded = encode_bits(mask)
    return coded if code_pays(coded, mask.packed.nbytes) else {"bits": mask.packed}


def _data(ticket: Ticket) -> dict[str, Any]:
    """All of a ticket but its arrays, as JSON data."""
    source = ticket.source
    return {
        "kind": ticket.kind,
        "source": None if source is None else {"seed": source.seed, "generation": source.generation},
        **layout_to_json(ticket.tensors, ticket.stages),
        "record": ticket.record,
    }


def layout_to_json(tensors: Mapping[str, MaskedTensor], stages: Sequence[Stage]) -> dict[str, Any]:
    """Tensors and stages as JSON data, without masks and copies."""
    return {
        "tensors": [
            {
                "name": name,
                "columns": tensor.mask.shape[1],
                "law": None if tensor.law is None else law_to_json(tensor.law),
                "transposed": tensor.transposed,
            }
            for name, tensor in tensors.items()
        ],
        "stages": [
            {
                "layer": stage.layer,
                "weight": stage.weight,
                "bias": stage.bias,
                "relu": stage.relu,
                "activation": None if stage.activation == RELU else stage.activation.to_json(),
            }
            for stage in stages
        ],
    }


def _ticket(data: Any, arrays: Mapping[str, np.ndarray]) -> Ticket:  # noqa: ANN401 - JSON is anything
    """The ticket that `_data` and `ticket_arrays` took apart."""
    _check_entries(data, WHOLE, "record")
    for entry in data["tensors"]:
        _check_entries(entry, TENSOR, "tensor")
    for entry in data["stages"]:
        _check_entries(entry, STAGE, "stage")
    unread = dict(arrays)
    tensors = {entry["name"]: _tensor(entry, unread) for entry in data["tensors"]}
    stages = tuple(_stage(entry, unread.pop(f"copies/{k}", None)) for k, entry in enumerate(data["stages"]))
    values = {
        name: decode_values(name, part, unread.pop(f"{part}/{name}"), tensors[name].mask)
        for name in tensors
        for part in ("value", "kept")
        if f"{part}/{name}" in unread
    }
    if unread:
        raise ValueError(f"it holds arrays that this library does not know: {', '.join(unread)}")
    ticket = Ticket(data["kind"], _source(data["source"]), tensors, stages, values, data["record"])
    check_ticket(ticket)
    return ticket


def _stage(entry: dict[str, Any], copies: np.ndarray | None) -> Stage:
    activation = RELU
    if entry["activation"] is not None:
        _check_entries(entry["activation"], ACTIVATION, "activation")
        activation = Activation.from_json(entry["activation"])
    return Stage(**{**entry, "activation": activation}, copies=copies)


def _check_entries(data: object, pattern: dict[str, Any], what: str) -> None:
    """Raises ValueError unless a JSON object has exactly the entries of a pattern."""
    check_json(data, pattern, what)
    assert isinstance(data, dict)
    if set(data) != set(pattern):
        raise ValueError(f"its {what} has entries that this library does not know: {sorted(set(data) - set(pattern))}")


def _source(data: dict[str, Any] | None) -> Source | None:
    if data is None:
        return None
    _check_entries(data, SOURCE, "source")
    return Source(data["seed"], data["generation"])


def _tensor(entry: dict[str, Any], unread: dict[str, np.ndarray]) -> MaskedTensor:
    name, columns = entry["name"], entry["columns"]
    mask, generations = _decoded(f"the mask of {name!r}", _parts(f"mask/{name}", unread), columns), []
    while parts := _parts(f"generation/{name}/{len(generations) + 1}", unread):
        generations.append(_decoded(f"generation {len(generations) + 1} of {name!r}", parts, columns))
    law = None if entry["law"] is None else law_from_json(entry["law"])
    return MaskedTensor(mask, law, entry["transposed"], tuple(generations))


def _parts(place: str, unread: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of one mask, taken from those that are unread."""
    return {part: unread.pop(f"{place}/{part}") for part in ENCODINGS if f"{place}/{part}" in unread}


def _decoded(what: str, parts: dict[str, np.ndarray], columns: int) -> Mask:
    if set(parts) == {"owner"}:
        return OwnerMask(parts["owner"], columns)
    if set(parts) == {"bits"}:
        return BitMask(parts["bits"], columns)
    if set(parts) in map(set, WAYS):
        return decode_bits(parts, columns)
    raise ValueError(f"{what} has the parts {sorted(parts)}")
