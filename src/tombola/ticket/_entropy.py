"""Mask bits in as little space as their density allows: range coding, one Bernoulli model per row.

Rows are coded in chunks with a stream each, so that a mask is read and written a block at a time. The model of a row is
its kept fraction, rounded to 1/256 and stored; the code is lossless whatever the model.
"""

from __future__ import annotations

import numpy as np

from ._encoding import BitMask

CHUNK = 256  # rows in one stream


def encode_bits(mask: BitMask) -> dict[str, np.ndarray]:
    """A bit mask as coded arrays.

    Returns:
        `words` uint32: the streams, one after the other; `lengths` `(chunks,)` int64: words in each;
        `levels` `(rows,)` uint8: 256 times the kept fraction of each row, 0 for a row that keeps nothing.
    """
    from constriction import stream

    streams, levels = [], np.zeros(len(mask.packed), np.uint8)
    for start in range(0, len(mask.packed), CHUNK):
        dense = np.unpackbits(mask.packed[start : start + CHUNK], axis=1, count=mask.columns, bitorder="little")
        kept = dense.sum(axis=1, dtype=np.int64)
        levels[start : start + CHUNK] = np.where(kept, np.clip(np.round(256 * kept / mask.columns), 1, 255), 0)
        encoder = stream.queue.RangeEncoder()
        for row in np.flatnonzero(kept):
            encoder.encode(dense[row].astype(np.int32), _model(levels[start + row]))
        streams.append(np.array(encoder.get_compressed(), np.uint32))
    words = np.concatenate(streams) if streams else np.empty(0, np.uint32)
    return {"words": words, "lengths": np.array([stream.size for stream in streams], np.int64), "levels": levels}


def decode_bits(coded: dict[str, np.ndarray], columns: int) -> BitMask:
    """The bit mask that `encode_bits` coded.

    Raises:
        ValueError: if the arrays do not fit together.
    """
    from constriction import stream

    words, lengths, levels = coded["words"], coded["lengths"], coded["levels"]
    if lengths.size != -(-levels.size // CHUNK) or (lengths < 0).any() or int(lengths.sum()) != words.size:
        raise ValueError("the streams of a coded mask do not add up")
    packed = np.zeros((levels.size, -(-columns // 8)), np.uint8)
    ends = np.cumsum(lengths)
    for chunk, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        decoder = stream.queue.RangeDecoder(np.ascontiguousarray(words[end - length : end]))
        for row in np.flatnonzero(levels[chunk * CHUNK : (chunk + 1) * CHUNK]) + chunk * CHUNK:
            bits = np.asarray(decoder.decode(_model(levels[row]), columns))
            packed[row] = np.packbits(bits.astype(np.uint8), bitorder="little")
    return BitMask(packed, columns)


def _model(level: int):  # noqa: ANN202 - the coder's own model type is not public
    from constriction import stream

    return stream.model.Bernoulli(float(level) / 256, perfect=False)
