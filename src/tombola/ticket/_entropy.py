"""Mask bits in as little space as their density allows: range coding, one Bernoulli model per row.

Rows are coded in chunks with a stream each, so that a mask is read and written a block at a time. The model of a row is
its kept fraction, rounded to 1/256 and stored; the code is lossless whatever the model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from constriction import stream  # pyright: ignore[reportAttributeAccessIssue] - its stubs forget the submodule

from ._encoding import BitMask, bytes_for

CHUNK = 256  # rows in one stream
EXPANSION = 256  # a mask is coded only if its bits take at most this many times the space of its code
PARTS = {"words": np.uint32, "lengths": np.int64, "levels": np.uint8}


def encode_bits(mask: BitMask) -> dict[str, np.ndarray]:
    """A bit mask as coded arrays.

    Returns:
        `words` uint32: the streams, one after the other; `lengths` `(chunks,)` int64: words in each;
        `levels` `(rows,)` uint8: 256 times the kept fraction of each row, 0 for a row that keeps nothing.
    """
    streams, levels = [], np.zeros(len(mask.packed), np.uint8)
    for start in range(0, len(mask.packed), CHUNK):
        dense = np.unpackbits(mask.packed[start : start + CHUNK], axis=1, count=mask.columns, bitorder="little")
        kept = dense.sum(axis=1, dtype=np.int64)
        fraction = np.round(256 * kept / max(1, mask.columns))
        levels[start : start + CHUNK] = np.where(kept, np.clip(fraction, 1, 255), 0)
        encoder = stream.queue.RangeEncoder()
        for row in np.flatnonzero(kept):
            encoder.encode(dense[row].astype(np.int32), _model(int(levels[start + row])))
        streams.append(np.array(encoder.get_compressed(), np.uint32))
    words = np.concatenate(streams) if streams else np.empty(0, np.uint32)
    return {"words": words, "lengths": np.array([stream.size for stream in streams], np.int64), "levels": levels}


def code_pays(coded: Mapping[str, np.ndarray], packed_bytes: int) -> bool:
    """Whether the code is smaller than the bits, but not so much that a reader would take it for a trap."""
    size = sum(array.nbytes for array in coded.values())
    return size < packed_bytes <= EXPANSION * size


def decode_bits(coded: Mapping[str, np.ndarray], columns: int) -> BitMask:
    """The bit mask that `encode_bits` coded.

    Raises:
        ValueError: if the arrays do not fit together, or are too few for so many bits.
    """
    words, lengths, levels = (coded[part] for part in PARTS)
    if any(coded[part].dtype != dtype or coded[part].ndim != 1 for part, dtype in PARTS.items()):
        raise ValueError("the parts of a coded mask have wrong types")
    if lengths.size != -(-levels.size // CHUNK) or (lengths < 0).any() or sum(lengths.tolist()) != words.size:
        raise ValueError("the streams of a coded mask do not add up")
    if not code_pays(coded, levels.size * bytes_for(columns)):
        raise ValueError(f"a coded mask of {levels.size} rows and {columns} columns does not take so few bytes")
    packed = np.zeros((levels.size, bytes_for(columns)), np.uint8)
    ends = np.cumsum(lengths)
    for chunk, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        decoder = stream.queue.RangeDecoder(np.ascontiguousarray(words[end - length : end]))
        for row in np.flatnonzero(levels[chunk * CHUNK : (chunk + 1) * CHUNK]) + chunk * CHUNK:
            packed[row] = _decoded_row(decoder, int(levels[row]), columns)
    return BitMask(packed, columns)


def _decoded_row(decoder: stream.queue.RangeDecoder, level: int, columns: int) -> np.ndarray:
    try:
        bits = np.asarray(decoder.decode(_model(level), columns))
    except AssertionError:  # the coder's word for data that no encoder wrote
        raise ValueError("the stream of a coded mask is not one that an encoder wrote") from None
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def _model(level: int) -> stream.model.Bernoulli:
    return stream.model.Bernoulli(float(level) / 256, perfect=False)
