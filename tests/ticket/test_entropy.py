import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tombola.ticket import _entropy, pack
from tombola.ticket._entropy import CHUNK, code_pays, decode_bits, encode_bits


def mask(rows, columns, density, seed=0):
    return pack(np.random.default_rng(seed).random((rows, columns)) < density)


def size(coded):
    return sum(array.nbytes for array in coded.values())


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(0, 40), columns=st.integers(1, 60), density=st.floats(0, 1), chunk=st.integers(1, 50))
def test_coding_loses_nothing(rows, columns, density, chunk):
    wanted = mask(rows, columns, density)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_entropy, "CHUNK", chunk)
        patch.setattr(_entropy, "code_pays", lambda *_: True)
        coded = encode_bits(wanted)
        assert coded["lengths"].size == -(-rows // chunk)
        np.testing.assert_array_equal(decode_bits(coded, columns).packed, wanted.packed)


@pytest.mark.parametrize("density", [0.01, 0.1, 0.9])
def test_the_code_takes_the_space_of_the_entropy(density):
    wanted = mask(600, 2000, density)
    bits = wanted.packed.size * 8 * -(density * np.log2(density) + (1 - density) * np.log2(1 - density))
    assert bits / 8 < size(encode_bits(wanted)) < 1.04 * bits / 8 + 600 + 8 * (600 // CHUNK + 1)


def test_rows_that_keep_nothing_take_one_byte():
    assert size(encode_bits(mask(CHUNK, 10_000, 0.0))) == CHUNK + 8


def test_a_code_that_looks_like_a_trap_is_not_written():
    nothing = mask(CHUNK, 10_000, 0.0)
    assert size(encode_bits(nothing)) < nothing.packed.nbytes
    assert not code_pays(encode_bits(nothing), nothing.packed.nbytes)


def test_every_density_that_a_row_can_have_is_coded_within_the_expansion():
    for kept in (1, 5, 500):
        dense = np.zeros((CHUNK, 50_000), np.bool_)
        dense[:, :kept] = True
        assert code_pays(encode_bits(pack(dense)), pack(dense).packed.nbytes)


CODED = encode_bits(mask(300, 100, 0.1))


def changed(**parts):
    return {**CODED, **parts}


@pytest.mark.parametrize(
    ("coded", "columns", "message"),
    [
        (changed(lengths=CODED["lengths"][:1]), 100, "do not add up"),
        (changed(lengths=CODED["lengths"] + np.array([1, 0])), 100, "do not add up"),
        (changed(lengths=CODED["lengths"] + np.array([10**6, -(10**6)])), 100, "do not add up"),
        (changed(lengths=np.array([2**62, -(2**62)])), 100, "do not add up"),
        (changed(levels=CODED["levels"].astype(np.int64)), 100, "wrong types"),
        (changed(words=CODED["words"][None]), 100, "wrong types"),
        (CODED, 2**31 - 1, "does not take so few bytes"),
        (CODED, 2**40, "does not take so few bytes"),
        (CODED, 1, "does not take so few bytes"),
        (changed(words=CODED["words"][::-1].copy()), 100, "no[t]? .*encoder wrote"),
    ],
)
def test_arrays_that_are_no_code_are_refused(coded, columns, message):
    with pytest.raises(ValueError, match=message):
        decode_bits(coded, columns)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), replaced=st.sampled_from(["words", "levels"]))
def test_random_streams_give_a_mask_or_a_clear_error(seed, replaced):
    part = CODED[replaced]
    noise = np.random.default_rng(seed).integers(
        0, np.iinfo(part.dtype).max, part.size, dtype=part.dtype, endpoint=True
    )
    shape, error = None, ""
    try:
        shape = decode_bits(changed(**{replaced: noise}), 100).shape
    except ValueError as caught:
        error = str(caught)
    assert shape == (300, 100) or "encoder wrote" in error
