"""The safetensors container: equal content is written as equal bytes, and no byte is trusted on reading."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ._encoding import LARGEST_AXIS
from ._json import strict_json

LONGEST_HEADER = 1 << 26
NUMBERS = {"U8": "<u1", "I32": "<i4", "U32": "<u4", "I64": "<i8", "F16": "<f2", "F32": "<f4"}
DTYPES = {code: np.dtype(name) for code, name in NUMBERS.items()}
CODES = {dtype: code for code, dtype in DTYPES.items()}
ENTRIES = {"dtype", "shape", "data_offsets"}


def write_container(file: IO[bytes], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> int:
    """Writes arrays and texts to an open file, and returns how many bytes that took.

    Args:
        file: open for writing in binary.
        arrays: of the dtypes in `DTYPES`, by name.
        metadata: texts by name.
    """
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # the widest first, so that all are aligned
    table, position = {}, 0
    for name in order:
        end = position + arrays[name].nbytes
        code, shape = CODES[arrays[name].dtype], list(arrays[name].shape)
        table[name] = {"dtype": code, "shape": shape, "data_offsets": [position, end]}
        position = end
    whole = {"__metadata__": dict(metadata), **table}
    header = json.dumps(whole, separators=(",", ":"), allow_nan=False).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little") + header)
    for name in order:
        file.write(arrays[name].tobytes())
    return 8 + len(header) + position


def content_sha256(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over a text and arrays, with their names, types and shapes."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        digest.update(f"\n{name} {CODES[arrays[name].dtype]} {arrays[name].shape}\n".encode())
        digest.update(arrays[name].tobytes())
    return digest.hexdigest()


def read_container(path: Path | str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The texts and arrays of a file; the arrays are read-only views of what was read.

    The header may claim no more than the file has, and its table must describe exactly the bytes that follow: only
    then are these read.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not such a container.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = _header_length(file.read(8), size)
        table = _parsed(file.read(length))
        metadata = table.pop("__metadata__", {})
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is no JSON object")
        places = _places(table, size - 8 - length)
        data = file.read(size - 8 - length)
    if len(data) != size - 8 - length:
        raise ValueError("it changed while it was read")
    arrays = {
        name: np.frombuffer(data, dtype, math.prod(shape), begin).reshape(shape)
        for name, (dtype, shape, begin) in places.items()
    }
    return metadata, arrays


def _header_length(start: bytes, size: int) -> int:
    if len(start) < 8:
        raise ValueError(f"it has {len(start)} bytes, less than the 8 of a header length")
    length = int.from_bytes(start, "little")
    if length > min(LONGEST_HEADER, size - 8):
        raise ValueError(f"its header claims {length} bytes, the file has {size - 8} more; it is cut or no ticket")
    return length


def _parsed(header: bytes) -> dict[str, Any]:
    try:
        text = header.decode()
    except UnicodeDecodeError:
        raise ValueError("its header is no text") from None
    table = strict_json(text, "its header")
    if not isinstance(table, dict):
        raise ValueError("its header is no JSON object")
    return table


def _places(table: Mapping[str, Any], available: int) -> dict[str, tuple[np.dtype, list[int], int]]:
    """Dtype, shape and first byte of each tensor; together they take up all bytes, one after the other."""
    for name, entry in table.items():
        _check_entry(name, entry)
    places, position = {}, 0
    for name in sorted(table, key=lambda name: table[name]["data_offsets"]):
        dtype, shape, (begin, end) = (table[name][part] for part in ("dtype", "shape", "data_offsets"))
        if begin != position or end - begin != math.prod(shape) * DTYPES[dtype].itemsize or end > available:
            raise ValueError(f"tensor {name!r} of shape {shape} does not fit its bytes {begin} .. {end}")
        places[name] = (DTYPES[dtype], shape, begin)
        position = end
    if position != available:
        raise ValueError(f"{available - position} bytes belong to no tensor")
    return places


def _check_entry(name: str, entry: object) -> None:
    if not isinstance(entry, dict) or set(entry) != ENTRIES or entry["dtype"] not in list(DTYPES):
        raise ValueError(f"tensor {name!r} has the entry {entry}; known dtypes are {', '.join(DTYPES)}")
    shape, offsets = entry["shape"], entry["data_offsets"]
    numbers = isinstance(shape, list) and isinstance(offsets, list) and all(type(n) is int for n in [*shape, *offsets])
    if not numbers or len(shape) > 2 or len(offsets) != 2 or not all(0 <= size <= LARGEST_AXIS for size in shape):
        raise ValueError(f"tensor {name!r} has the shape {shape} and the bytes {offsets}")
