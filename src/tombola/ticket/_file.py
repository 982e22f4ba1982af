"""The `.ticket` file: safetensors with the masks as tensors and everything else as one JSON text.

Nothing is unpickled. Before any array is made, the header's length, its table and the SHA-256 over table, record and
data are checked; what the reader does not know by name it refuses.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TicketFileError
from ..files import atomic_write
from ..random_source import Source, law_from_json, law_to_json
from ._encoding import BitMask, Mask, OwnerMask
from ._entropy import decode_bits, encode_bits
from ._ticket import MaskedTensor, Stage, Ticket

FORMAT = "tombola-ticket/1"
LONGEST_HEADER = 1 << 26
DTYPES = {"U8": np.uint8, "I32": np.int32, "U32": np.uint32, "I64": np.int64, "F32": np.float32}
CODES = {np.dtype(dtype): code for code, dtype in DTYPES.items()}


def save_ticket(ticket: Ticket, path: Path) -> int:
    """Writes a ticket atomically and returns the file's size in bytes.

    Raises:
        OSError: if the file cannot be written; a file that was there before is left as it was.
    """
    from safetensors.numpy import save

    arrays = _arrays(ticket)
    text = json.dumps(_record(ticket), sort_keys=True, separators=(",", ":"), allow_nan=False)
    data = save(arrays, {"format": FORMAT, "ticket": text, "sha256": _digest(text, arrays)})
    with atomic_write(path) as file:
        file.write(data)
    return len(data)


def load_ticket(path: Path | str) -> Ticket:
    """The ticket in a file.

    Args:
        path: a file that `Ticket.save` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        TicketFileError: if it is not a ticket, is damaged, or is of a version that this library does not know.

    Example:
        >>> load_ticket("nowhere.ticket")
        Traceback (most recent call last):
        FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.ticket'
    """
    data = Path(path).read_bytes()
    try:
        table, metadata, start = _header(data)
        arrays = _checked_arrays(data, table, start)
        if metadata.get("sha256") != _digest(metadata["ticket"], arrays):
            raise ValueError("its contents do not match its SHA-256: the file is damaged; fetch or build it again")
        return _ticket(json.loads(metadata["ticket"]), arrays)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise TicketFileError(path, f"not a readable ticket: {reason}") from error


def _header(data: bytes) -> tuple[dict[str, Any], dict[str, str], int]:
    if len(data) < 8:
        raise ValueError(f"it has {len(data)} bytes, less than the 8 of a header length")
    length = int.from_bytes(data[:8], "little")
    if length > min(LONGEST_HEADER, len(data) - 8):
        raise ValueError(f"its header claims {length} bytes, the file has {len(data) - 8} more; it is cut or no ticket")
    try:
        table = json.loads(data[8 : 8 + length].decode(), object_pairs_hook=_unique)
    except (UnicodeDecodeError, json.JSONDecodeError):
        raise ValueError("its header is not JSON") from None
    metadata = table.pop("__metadata__", {}) if isinstance(table, dict) else {}
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        found = metadata.get("format") if isinstance(metadata, dict) else None
        raise ValueError(f"its format is {found!r}, this library reads {FORMAT!r}")
    if set(metadata) != {"format", "ticket", "sha256"}:
        raise ValueError(f"its metadata has the entries {sorted(metadata)}, wanted format, sha256 and ticket")
    return table, metadata, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice in its header")
    return dict(pairs)


def _checked_arrays(data: bytes, table: Mapping[str, Any], start: int) -> dict[str, np.ndarray]:
    """The arrays as views of the data, after their table was found to describe exactly the bytes that are there."""
    position, arrays = 0, {}
    for name, entry in sorted(table.items(), key=lambda item: item[1]["data_offsets"]):
        if set(entry) != {"dtype", "shape", "data_offsets"} or entry["dtype"] not in DTYPES:
            raise ValueError(f"tensor {name!r} has the entry {entry}; known dtypes are {', '.join(DTYPES)}")
        shape, (begin, end) = entry["shape"], entry["data_offsets"]
        if not all(isinstance(size, int) and size >= 0 for size in shape):
            raise ValueError(f"tensor {name!r} has the shape {shape}")
        dtype = np.dtype(DTYPES[entry["dtype"]]).newbyteorder("<")
        if begin != position or end - begin != math.prod(shape) * dtype.itemsize or start + end > len(data):
            raise ValueError(f"tensor {name!r} of shape {shape} does not fit its bytes {begin} .. {end}")
        arrays[name] = np.frombuffer(data, dtype, math.prod(shape), start + begin).reshape(shape)
        position = end
    if start + position != len(data):
        raise ValueError(f"{len(data) - start - position} bytes belong to no tensor")
    return arrays


def _digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {CODES[array.dtype.newbyteorder('=')]} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _arrays(ticket: Ticket) -> dict[str, np.ndarray]:
    """Every array of the file, by name."""
    arrays: dict[str, np.ndarray] = {}
    for name, tensor in ticket.tensors.items():
        for part, array in _encoded(tensor.mask).items():
            arrays[f"mask/{name}/{part}"] = array
    for number, stage in enumerate(ticket.stages):
        if stage.copies is not None:
            arrays[f"copies/{number}"] = stage.copies.astype(np.int32)
    arrays |= {f"value/{name}": np.ascontiguousarray(value, np.float32) for name, value in ticket.values.items()}
    return arrays


def _encoded(mask: Mask) -> dict[str, np.ndarray]:
    """The smaller of the encodings that a mask has."""
    if isinstance(mask, OwnerMask):
        return {"owner": mask.owner}
    coded = encode_bits(mask)
    return coded if sum(array.nbytes for array in coded.values()) < mask.packed.nbytes else {"bits": mask.packed}


def _decoded(name: str, columns: int, arrays: Mapping[str, np.ndarray]) -> Mask:
    parts = {key.rsplit("/", 1)[1]: array for key, array in arrays.items() if key.rsplit("/", 1)[0] == f"mask/{name}"}
    if set(parts) == {"owner"}:
        return OwnerMask(parts["owner"], columns)
    if set(parts) == {"bits"}:
        return BitMask(parts["bits"], columns)
    if set(parts) == {"words", "lengths", "levels"}:
        return decode_bits(parts, columns)
    raise ValueError(f"the mask of {name!r} has the parts {sorted(parts)}")


def _record(ticket: Ticket) -> dict[str, Any]:
    source = ticket.source
    return {
        "kind": ticket.kind,
        "source": None if source is None else {"seed": source.seed, "generation": source.generation},
        "tensors": [
            {
                "name": name,
                "columns": tensor.mask.shape[1],
                "law": None if tensor.law is None else law_to_json(tensor.law),
                "transposed": tensor.transposed,
            }
            for name, tensor in ticket.tensors.items()
        ],
        "stages": [
            {"layer": stage.layer, "weight": stage.weight, "bias": stage.bias, "relu": stage.relu}
            for stage in ticket.stages
        ],
        "record": ticket.record,
    }


def _ticket(data: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> Ticket:
    if set(data) != {"kind", "source", "tensors", "stages", "record"} or data["kind"] not in {"strong", "masked"}:
        raise ValueError(f"a record of kind {data.get('kind')!r} with the entries {sorted(data)} is not known")
    tensors = {
        entry["name"]: MaskedTensor(
            _decoded(entry["name"], entry["columns"], arrays),
            None if entry["law"] is None else law_from_json(entry["law"]),
            entry["transposed"],
        )
        for entry in data["tensors"]
    }
    stages = tuple(Stage(**entry, copies=arrays.get(f"copies/{number}")) for number, entry in enumerate(data["stages"]))
    named = {name for stage in stages for name in (stage.weight, stage.bias) if name is not None}
    if named - set(tensors):
        raise ValueError(f"its stages name tensors that are not there: {sorted(named - set(tensors))}")
    values = {name.removeprefix("value/"): array for name, array in arrays.items() if name.startswith("value/")}
    for name, value in values.items():
        if name not in tensors or value.shape != tensors[name].mask.shape:
            raise ValueError(f"the saved values {name!r} fit no mask")
    source = None if data["source"] is None else Source(**data["source"])
    return Ticket(data["kind"], source, tensors, stages, values, data["record"])
