"""Mask bits in as little space as their density allows: range coding under Bernoulli models, in one of two ways.

*Whole*: one model for the mask, its kept fraction to 24 bits. *By rows*: a model for each row, its kept fraction to 8
bits, which costs a byte a row and pays where rows differ. The code is lossless whatever the model. Bits are coded row
by row, and a block of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from constriction import stream  # pyright: ignore[reportAttributeAccessIssue] - its stubs forget the submodule

from ._encoding import BitMask, bytes_for

WHOLE = {"coded": np.uint32}
BY_ROWS = {"words": np.uint32, "lengths": np.int64, "levels": np.uint8}
WAYS = (WHOLE, BY_ROWS)
ONE = 1 << 24  # a level of a whole mask is its kept fraction in parts of this, that of a row in parts of 256
CHUNK = 256  # rows in one stream, where each row has a level
BLOCK = 1 << 17  # weights that are coded at a time: a multiple of 8; no file depends on it
EXPANSION = 256  # bits take at most this many times the space of their code
TWO_ENTRIES = 160  # bytes that two more arrays take in the header of a file, about


def encode_bits(mask: BitMask) -> dict[str, np.ndarray]:
    """A bit mask as coded arrays, in the way that should take less of a file.

    Zeros are added where the bits would take more than `EXPANSION` times the space of their code, which a reader would
    take for a trap.

    Returns:
        Either `coded` `(2 + words,)` uint32: the number of rows, 2**24 times the kept fraction, and the stream.
        Or `words` uint32: streams, one after the other; `lengths` `(chunks,)` int64: words in each; `levels` `(rows,)`
        uint8: 256 times the kept fraction of each row, 0 for a row that keeps nothing.
    """
    kept = np.bitwise_count(mask.packed).sum(axis=1, dtype=np.int64)
    return _encode_rows(mask, kept) if _rows_differ(kept, mask.columns) else _encode_whole(mask, int(kept.sum()))


def code_pays(coded: Mapping[str, np.ndarray], packed_bytes: int) -> bool:
    """Whether the code is smaller than the bits, but not so much that a reader would take it for a trap."""
    size = sum(array.nbytes for array in coded.values())
    return size < packed_bytes <= EXPANSION * size


def decode_bits(coded: Mapping[str, np.ndarray], columns: int) -> BitMask:
    """The bit mask that `encode_bits` coded.

    Raises:
        ValueError: if the arrays do not fit together, are too few for so many bits, or hold what no encoder wrote.
    """
    whole = set(coded) == set(WHOLE)
    types = WHOLE if whole else BY_ROWS
    if any(coded[part].dtype != dtype or coded[part].ndim != 1 for part, dtype in types.items()):
        raise ValueError("the parts of a coded mask have wrong types")
    rows = _rows_of_whole(coded["coded"]) if whole else _rows_of_levels(coded)
    if not code_pays(coded, rows * bytes_for(columns)):
        raise ValueError(f"a coded mask of {rows} rows and {columns} columns does not take so few bytes")
    return _decode_whole(coded["coded"], columns) if whole else _decode_rows(coded, columns)


def _rows_differ(kept: np.ndarray, columns: int) -> bool:
    """Whether levels of rows save more than they cost, from how many weights each row keeps."""
    whole = np.full(kept.size, _level(int(kept.sum()), kept.size * columns) / ONE)
    saved = _least_bytes(kept, columns, whole) - _least_bytes(kept, columns, _row_levels(kept, columns) / 256)
    return saved > kept.size + 12 * -(-kept.size // CHUNK) + TWO_ENTRIES


def _least_bytes(kept: np.ndarray, columns: int, density: np.ndarray) -> float:
    """What the bits of rows take under models of some densities `(rows,)`: below 1, and 0 only if nothing is kept."""
    return -float(kept @ np.log2(np.maximum(density, 1 / ONE)) + (columns - kept) @ np.log2(1 - density)) / 8


def _level(kept: int, count: int) -> int:
    return min(max(1, round(ONE * kept / max(1, count))), ONE - 1)


def _row_levels(kept: np.ndarray, columns: int) -> np.ndarray:
    return np.where(kept, np.clip(np.round(256 * kept / max(1, columns)), 1, 255), 0).astype(np.uint8)


def _encode_whole(mask: BitMask, kept: int) -> dict[str, np.ndarray]:
    rows, columns = mask.shape
    level, encoder = _level(kept, rows * columns), stream.queue.RangeEncoder()
    for place, width in _blocks(rows, columns):
        dense = np.unpackbits(mask.packed[place], axis=1, count=width, bitorder="little")
        encoder.encode(dense.ravel().astype(np.int32), _model(level / ONE))
    words = np.trim_zeros(np.array(encoder.get_compressed(), np.uint32), "b")  # what is not there is read as zeros
    return {"coded": _filled(np.concatenate([np.array([rows, level], np.uint32), words]), mask)}


def _rows_of_whole(code: np.ndarray) -> int:
    if code.size < 2 or not 0 < code[1] < ONE:
        raise ValueError("a coded mask begins with its number of rows and a kept fraction between 0 and 1")
    return int(code[0])


def _decode_whole(code: np.ndarray, columns: int) -> BitMask:
    rows, level = code[:2].tolist()
    decoder = stream.queue.RangeDecoder(np.trim_zeros(code[2:], "b"))
    packed = np.empty((rows, bytes_for(columns)), np.uint8)
    for place, width in _blocks(rows, columns):
        dense = _decoded(decoder, level / ONE, len(packed[place]) * width)
        packed[place] = np.packbits(dense.reshape(-1, width), axis=1, bitorder="little")
    mask = BitMask(packed, columns)
    if _level(mask.kept, rows * columns) != level or not decoder.maybe_exhausted():
        raise ValueError("the stream of a coded mask is not one that an encoder wrote")
    return mask


def _blocks(rows: int, columns: int) -> Iterator[tuple[tuple[slice, slice], int]]:
    """Where in the packed bits up to `BLOCK` weights are, and how many columns that is: row by row, from the left."""
    high = max(1, BLOCK // max(1, columns))
    for top in range(0, rows, high):
        for left in range(0, columns, BLOCK):
            width = min(BLOCK, columns - left)
            yield (slice(top, top + high), slice(left // 8, left // 8 + bytes_for(width))), width


def _encode_rows(mask: BitMask, kept: np.ndarray) -> dict[str, np.ndarray]:
    streams, levels = [], _row_levels(kept, mask.columns)
    for start in range(0, len(mask.packed), CHUNK):
        dense = np.unpackbits(mask.packed[start : start + CHUNK], axis=1, count=mask.columns, bitorder="little")
        encoder = stream.queue.RangeEncoder()
        for row in np.flatnonzero(kept[start : start + CHUNK]):
            encoder.encode(dense[row].astype(np.int32), _model(levels[start + row] / 256))
        streams.append(np.array(encoder.get_compressed(), np.uint32))
    streams[-1] = _filled(streams[-1], mask, sum(8 + one.nbytes for one in streams[:-1]) + 8 + levels.nbytes)
    lengths = np.array([one.size for one in streams], np.int64)
    return {"words": np.concatenate(streams), "lengths": lengths, "levels": levels}


def _rows_of_levels(coded: Mapping[str, np.ndarray]) -> int:
    words, lengths, levels = (coded[part] for part in BY_ROWS)
    if lengths.size != -(-levels.size // CHUNK) or (lengths < 0).any() or sum(lengths.tolist()) != words.size:
        raise ValueError("the streams of a coded mask do not add up")
    return levels.size


def _decode_rows(coded: Mapping[str, np.ndarray], columns: int) -> BitMask:
    words, lengths, levels = (coded[part] for part in BY_ROWS)
    packed = np.zeros((levels.size, bytes_for(columns)), np.uint8)
    ends = np.cumsum(lengths)
    for chunk, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        decoder = stream.queue.RangeDecoder(np.ascontiguousarray(words[end - length : end]))
        for row in np.flatnonzero(levels[chunk * CHUNK : (chunk + 1) * CHUNK]) + chunk * CHUNK:
            packed[row] = np.packbits(_decoded(decoder, levels[row] / 256, columns), bitorder="little")
    return BitMask(packed, columns)


def _filled(words: np.ndarray, mask: BitMask, others: int = 0) -> np.ndarray:
    """Words and the zeros after them that the code needs at least, which takes some other bytes."""
    wanted = -(-mask.packed.nbytes // EXPANSION) - others
    return np.concatenate([words, np.zeros(max(0, -(-wanted // 4) - words.size), np.uint32)])


def _decoded(decoder: stream.queue.RangeDecoder, density: float, count: int) -> np.ndarray:
    """The next bits of a stream, `(count,)` uint8."""
    try:
        return np.asarray(decoder.decode(_model(density), count)).astype(np.uint8)
    except AssertionError:  # the coder's word for data that no encoder wrote
        raise ValueError("the stream of a coded mask is not one that an encoder wrote") from None


def _model(density: float) -> stream.model.Bernoulli:
    return stream.model.Bernoulli(float(density), perfect=False)
