import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tombola.ticket import _entropy, pack, unpack
from tombola.ticket._entropy import BY_ROWS, CHUNK, EXPANSION, ONE, TWO_ENTRIES, WHOLE, decode_bits, encode_bits

LINES = np.add.outer(7 * np.arange(40), 5 * np.arange(60)) % 23 == 0  # a mask that needs no generator
LINES[3:9], LINES[9:11] = False, True


def dense(rows, columns, density, seed=0):
    """A random mask of one density, or of one for each row."""
    return np.random.default_rng(seed).random((rows, columns)) < np.reshape(density, (-1, 1))


def mask(rows, columns, density, seed=0):
    return pack(dense(rows, columns, density, seed))


def size(coded):
    return sum(array.nbytes for array in coded.values())


def entropy(one):
    """Bytes of the mask's entropy, if each weight is kept independently with its density."""
    count = one.shape[0] * one.shape[1]
    shares = (part / count for part in (one.kept, count - one.kept) if part)
    return -count * sum(share * math.log2(share) for share in shares) / 8


def encoded(one, *, by_rows):
    """Its code in a given way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_entropy, "_rows_differ", lambda *_: by_rows)
        return encode_bits(one)


def test_masks_by_hand():
    """Nothing takes two words, all three, and the bits of a fair coin as many words as they are."""
    assert encode_bits(pack(np.zeros((300, 1), np.bool_)))["coded"].tolist() == [300, 1]
    assert encode_bits(pack(np.ones((300, 1), np.bool_)))["coded"].tolist()[:2] == [300, ONE - 1]
    assert size(encode_bits(pack(np.ones((300, 1), np.bool_)))) == 12
    rows, level, *words = encode_bits(mask(300, 320, 0.5))["coded"].tolist()
    assert (rows, len(words)) == (300, 300 * 10 + 1)
    assert level / ONE == pytest.approx(0.5, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 60),
    density=st.floats(0, 1) | st.sampled_from([0.0, 1.0]),
    by_rows=st.booleans(),
    chunk=st.integers(1, 50),
    block=st.integers(1, 40).map(lambda number: 8 * number),
)
def test_coding_loses_nothing(rows, columns, density, by_rows, chunk, block):
    wanted = mask(rows, columns, density)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_entropy, "CHUNK", chunk)
        patch.setattr(_entropy, "BLOCK", block)
        patch.setattr(_entropy, "code_pays", lambda *_: True)
        coded = encoded(wanted, by_rows=by_rows)
        assert set(coded) == set(BY_ROWS if by_rows else WHOLE)
        np.testing.assert_array_equal(decode_bits(coded, columns).packed, wanted.packed)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_masks_of_no_weights_are_coded_and_take_more_than_their_bits(shape):
    assert size(encode_bits(mask(*shape, 0.5))) > 0


@given(block=st.integers(1, 200).map(lambda number: 8 * number))
@settings(max_examples=20, deadline=None)
def test_what_is_coded_at_a_time_does_not_show(block):
    wanted = encode_bits(mask(20, 100, 0.2))["coded"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_entropy, "BLOCK", block)
        np.testing.assert_array_equal(encode_bits(mask(20, 100, 0.2))["coded"], wanted)


@pytest.mark.parametrize("density", [0.0005, 0.003, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("shape", [(300, 784), (100, 300), (10, 100), (2000, 1), (1, 2000), (2048, 512)])
def test_masks_take_five_percent_more_than_their_entropy_or_four_words(shape, density):
    one = mask(*shape, density)
    assert entropy(one) < size(encode_bits(one)) < max(1.05 * entropy(one), entropy(one) + 16)


@pytest.mark.parametrize("density", [0.01, 0.1, 0.9])
def test_rows_of_one_density_cost_a_byte_each(density):
    one = mask(600, 2000, density)
    assert entropy(one) < size(encoded(one, by_rows=True)) < 1.04 * entropy(one) + 600 + 8 * (600 // CHUNK + 1)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 300), columns=st.integers(1, 300), spread=st.floats(0, 1), seed=st.integers(0, 99))
def test_the_way_that_is_taken_is_the_shorter_but_for_a_few_words(rows, columns, spread, seed):
    densities = 0.5 * np.random.default_rng(seed).random(rows) ** (1 / max(spread, 0.01))
    one = mask(rows, columns, densities, seed)
    apart, together = (encoded(one, by_rows=by_rows) for by_rows in (True, False))
    taken = encode_bits(one)
    assert (
        size(taken) + TWO_ENTRIES * (set(taken) == set(BY_ROWS)) <= min(size(apart) + TWO_ENTRIES, size(together)) + 32
    )


def test_rows_that_differ_are_coded_apart():
    one = mask(400, 1000, np.repeat([0.001, 0.3], 200))
    assert set(encode_bits(one)) == set(BY_ROWS)
    assert size(encode_bits(one)) + TWO_ENTRIES < size(encoded(one, by_rows=False))


def few(rows, columns, kept):
    """A mask that keeps the first weights of its first rows."""
    found = np.zeros((rows, columns), np.bool_)
    found[: kept[0], : kept[1]] = True
    return pack(found)


@pytest.mark.parametrize(
    ("one", "way"),
    [
        (few(CHUNK, 10_000, (0, 0)), WHOLE),
        (few(CHUNK, 10_000, (CHUNK, 10_000)), WHOLE),
        (few(CHUNK, 10_000, (1, 1)), WHOLE),
        (few(CHUNK, 50_000, (3, 50_000)), BY_ROWS),
        (few(3 * CHUNK, 50_000, (3, 50_000)), BY_ROWS),
    ],
)
def test_a_code_that_would_look_like_a_trap_is_filled_up(one, way):
    coded = encode_bits(one)
    assert set(coded) == set(way)
    assert one.packed.nbytes / EXPANSION <= size(coded) < one.packed.nbytes / EXPANSION + 4
    np.testing.assert_array_equal(decode_bits(coded, one.columns).packed, one.packed)


# The arrays of `LINES` as they were written before there was a density of a whole mask.
OLD = {
    "words": "b422fcf6d88c7672ad55ea87d29593170013cef3ac46a95d4ab75c41a57bb987"
    "880e95e4c609cf3a8485f82acd78cdee095d51e15841cf427279831bba64abfa",
    "lengths": "1000000000000000",
    "levels": "0d090d000000000000ffff0d09090d0d090d0d0d090d0d0d090d0d09090d0d09090d0d09090d0d09",
}
OLD = {part: np.frombuffer(bytes.fromhex(OLD[part]), dtype) for part, dtype in BY_ROWS.items()}


def test_what_was_written_by_rows_is_read():
    np.testing.assert_array_equal(unpack(decode_bits(OLD, 60)), LINES)
    for part, array in encoded(pack(LINES), by_rows=True).items():
        np.testing.assert_array_equal(array, OLD[part])


def test_what_is_written_stays_as_it_is():
    code = "14000000824e0b0005d03bd9163cc7a3d718dfe674c2effa934516882ab8a6abb2a54105879df54e0f4cef5204c3cb82"
    found = encode_bits(pack(LINES[11:31]))
    assert {part: array.tobytes().hex() for part, array in found.items()} == {"coded": code}
    np.testing.assert_array_equal(unpack(decode_bits(found, 60)), LINES[11:31])


APART = encoded(mask(300, 100, 0.1), by_rows=True)
CODE = encode_bits(mask(300, 100, 0.1))["coded"]
NO_ENCODER = "not one that an encoder wrote"
SMALL = "does not take so few bytes"


def changed(**parts):
    return {**APART, **parts}


@pytest.mark.parametrize(
    ("coded", "columns", "message"),
    [
        (changed(lengths=APART["lengths"][:1]), 100, "do not add up"),
        (changed(lengths=APART["lengths"] + np.array([1, 0])), 100, "do not add up"),
        (changed(lengths=APART["lengths"] + np.array([10**6, -(10**6)])), 100, "do not add up"),
        (changed(lengths=np.array([2**62, -(2**62)])), 100, "do not add up"),
        (changed(levels=APART["levels"].astype(np.int64)), 100, "wrong types"),
        (changed(words=APART["words"][None]), 100, "wrong types"),
        (APART, 2**31 - 1, SMALL),
        (APART, 2**40, SMALL),
        (APART, 1, SMALL),
        (changed(words=APART["words"][::-1].copy()), 100, NO_ENCODER),
    ],
)
def test_arrays_that_are_no_code_are_refused(coded, columns, message):
    with pytest.raises(ValueError, match=message):
        decode_bits(coded, columns)


def put(place, number):
    """The code with another number at a place."""
    return np.concatenate([CODE[:place], np.array([number], np.uint32), CODE[place + 1 :]])


@pytest.mark.parametrize(
    ("code", "columns", "message"),
    [
        (CODE[:0], 100, "begins with its number of rows"),
        (CODE[:1], 100, "begins with its number of rows"),
        (put(1, 0), 100, "kept fraction between 0 and 1"),
        (put(1, ONE), 100, "kept fraction between 0 and 1"),
        (put(1, 2**32 - 1), 100, "kept fraction between 0 and 1"),
        (CODE.astype(np.int64), 100, "wrong types"),
        (CODE[None], 100, "wrong types"),
        (CODE, 2**31 - 1, SMALL),
        (CODE, 2**40, SMALL),
        (CODE, 0, SMALL),
        (CODE, -1, SMALL),
        (CODE, 8, SMALL),
        (put(0, 0), 100, SMALL),
        (put(0, 2**32 - 1), 100, SMALL),
        (CODE[:2], 100, SMALL),
        (put(0, 301), 100, NO_ENCODER),
        (put(0, 299), 100, NO_ENCODER),
        (CODE, 99, NO_ENCODER),
        (put(1, CODE[1] + 500), 100, NO_ENCODER),
        (put(1, CODE[1] - 500), 100, NO_ENCODER),
        (put(10, CODE[10] ^ 1), 100, NO_ENCODER),
        (CODE[:-100], 100, NO_ENCODER),
        (np.concatenate([CODE, CODE[2:]]), 100, NO_ENCODER),
        (np.concatenate([CODE[:2], CODE[:1:-1]]), 100, NO_ENCODER),
    ],
)
def test_an_array_that_is_no_code_is_refused(code, columns, message):
    with pytest.raises(ValueError, match=message):
        decode_bits({"coded": code}, columns)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), replaced=st.sampled_from(["words", "levels", "coded"]))
def test_random_streams_give_a_mask_or_a_clear_error(seed, replaced):
    rng, honest = np.random.default_rng(seed), {**APART, "coded": CODE[2:]}[replaced]
    noise = rng.integers(0, np.iinfo(honest.dtype).max, honest.size, dtype=honest.dtype, endpoint=True)
    whole = {"coded": np.concatenate([CODE[:2], noise])} if replaced == "coded" else None
    shape, error = None, ""
    try:
        shape = decode_bits(whole or changed(**{replaced: noise}), 100).shape
    except ValueError as caught:
        error = str(caught)
    assert shape == (300, 100) or NO_ENCODER in error


def test_reading_a_long_row_takes_the_memory_of_its_bits():
    wanted = few(1, 2**25, (1, 2**22))
    coded = encoded(wanted, by_rows=False)
    tracemalloc.start()
    found = decode_bits(coded, 2**25)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.kept == 2**22
    assert peak < 2.5 * wanted.packed.nbytes
