"""The idx format of the MNIST family, plain or gzipped.

Four bytes `0, 0, type, dimensions`, one big-endian 32-bit length per dimension, then the values, big-endian.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
FILES = {
    "x_train": "*train-images-idx?-ubyte",
    "y_train": "*train-labels-idx?-ubyte",
    "x_test": "*-images-idx?-ubyte",
    "y_test": "*-labels-idx?-ubyte",
}


def read_idx_folder(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a folder as torchvision lays it out, by the names of the Keras convention.

    Args:
        folder: holds `train-images-idx3-ubyte` and its three companions (`t10k-` or `test-`), each perhaps with a
            prefix and perhaps as `.gz`, either itself or in `raw/`.

    Raises:
        ValueError: if one of the four is missing, there are several of it, or one is not an intact idx file.
    """
    inner = folder / "raw" if (folder / "raw").is_dir() else folder
    return {key: _read(_the_one(inner, key)) for key in FILES}


def _the_one(folder: Path, key: str) -> Path:
    pattern = FILES[key]
    found = {path for suffix in ("", ".gz") for path in folder.glob(pattern + suffix)}
    if key.endswith("test"):
        found = {path for path in found if "train-" not in path.name}
    plain = {path.name.removesuffix(".gz") for path in found}
    if len(plain) != 1:
        names = ", ".join(sorted(plain)) or "none"
        raise ValueError(f"{folder}: wanted one file {pattern}[.gz] for {key}, found {names}")
    return min(found, key=lambda path: path.suffix == ".gz")


def _read(path: Path) -> np.ndarray:
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not an intact gzip file: {error}") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in TYPES or len(raw) < 4 + 4 * raw[3]:
        raise ValueError(f"{path} is not an idx file: it begins with {raw[:4].hex() or 'nothing'}")
    shape = struct.unpack_from(f">{raw[3]}I", raw, 4)
    kind, start = np.dtype(TYPES[raw[2]]), 4 + 4 * raw[3]
    wanted = start + math.prod(shape) * kind.itemsize
    if len(raw) != wanted:
        raise ValueError(f"{path} should have {wanted} bytes for shape {shape}, but has {len(raw)}")
    return np.frombuffer(raw, kind, offset=start).astype(kind.newbyteorder("=")).reshape(shape)
