import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tombola._reference import reference_values, reference_words
from tombola.random_source import LogUniform, Normal, SignedConstant, Source, Uniform, _source, matrix_shape

LAWS = [Uniform(0.3), Normal(0.7), SignedConstant(2.0), LogUniform(0.1)]
ROWS, COLUMNS = 40, 61


def table(law=LAWS[0], seed=7, name="fc1", generation=0):
    """The values once more, one address after the other, from the independent implementation."""
    words = reference_words(Source(seed).key(name), np.arange(ROWS)[:, None], np.arange(COLUMNS)[None, :], generation)
    return reference_values(words, law)


def test_the_key_by_hand():
    """`printf 'tombola/1\\n7\\nfc1' | sha256sum` begins with these eight bytes."""
    assert Source(7).key("fc1") == struct.unpack("<II", bytes.fromhex("d29699785cac32db"))


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("generation", [0, 3])
def test_a_block_holds_what_its_addresses_say(law, generation):
    found = Source(7, generation).block("fc1", law, range(ROWS), range(COLUMNS))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, table(law, generation=generation))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.integers(0, ROWS - 1), max_size=12),
    span=st.tuples(st.integers(0, COLUMNS), st.integers(0, COLUMNS)).map(sorted),
    law=st.sampled_from(LAWS),
)
def test_any_block_in_any_order_holds_the_same_values(rows, span, law):
    found = Source(7).block("fc1", law, rows, range(*span))
    np.testing.assert_array_equal(found, table(law)[np.array(rows, int)][:, slice(*span)])


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, ROWS), columns=st.integers(1, COLUMNS))
def test_a_wider_tensor_contains_the_narrower_one(rows, columns):
    found = Source(7).tensor("fc1", LAWS[1], (rows, columns)).numpy()
    np.testing.assert_array_equal(found, table(LAWS[1])[:rows, :columns])


@pytest.mark.parametrize("threads", [1, 2, 5, None])
@pytest.mark.parametrize("chunk", [1, 100, 1000, 1 << 20])
def test_any_number_of_threads_gives_the_same_values(threads, chunk, monkeypatch):
    monkeypatch.setattr(_source, "CHUNK", chunk)
    found = Source(7).block("fc1", LAWS[0], range(ROWS), range(COLUMNS), threads=threads)
    np.testing.assert_array_equal(found, table())


def test_the_last_address_there_is():
    found = Source(2**64 - 1, 2**32 - 1).block("w", LAWS[0], [2**32 - 1], range(2**34 - 3, 2**34))
    key, columns = Source(2**64 - 1).key("w"), np.arange(2**34 - 3, 2**34)
    np.testing.assert_array_equal(
        found[0], reference_values(reference_words(key, np.array(2**32 - 1), columns, 2**32 - 1), LAWS[0])
    )


def test_every_part_of_the_address_counts():
    others = [table(seed=8), table(name="fc2"), table(generation=1)]
    for other in others:
        assert (other != table()).mean() > 0.99


@pytest.mark.parametrize("shape", [(5,), (), (4, 3, 2, 2), (0, 3), (3, 0)])
def test_the_first_axis_is_the_row_and_the_others_are_the_column(shape):
    found = Source(7).tensor("fc1", LAWS[0], shape)
    assert found.shape == shape
    rows, columns = matrix_shape(shape)
    np.testing.assert_array_equal(found.reshape(rows, columns), table()[:rows, :columns])


def device_tensor(device, law, shape):
    """The tensor as other devices make it."""
    from tombola.random_source._torch import values_on_device, words_on_device

    rows, columns = shape
    counters = torch.arange(-(-columns // 4), device=device)
    words = words_on_device(Source(7).key("fc1"), torch.arange(rows, device=device), counters, 0)
    return values_on_device(words[:, :columns], law)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_tensor_operations_give_the_bits_of_the_kernels(law):
    np.testing.assert_array_equal(device_tensor("cpu", law, (ROWS, COLUMNS)), table(law))


@pytest.mark.gpu
@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("shape", [(40, 61), (7,), (4, 3, 2, 2)])
def test_a_gpu_holds_the_same_tensor(law, shape):
    found = Source(7).tensor("fc1", law, shape, device="cuda")
    assert found.device.type == "cuda"
    np.testing.assert_array_equal(found.cpu(), Source(7).tensor("fc1", law, shape))


@pytest.mark.parametrize(("seed", "generation"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**32)])
def test_numbers_out_of_range_are_refused(seed, generation):
    with pytest.raises(ValueError, match=r"must be an integer from 0 to 2\*\*(64|32) - 1, got"):
        Source(seed, generation)


@pytest.mark.parametrize("seed", [1.0, "1", None])
def test_what_is_no_integer_is_refused(seed):
    with pytest.raises(TypeError, match="seed must be an integer"):
        _source._checked_integer("seed", seed, 64)
    with pytest.raises(TypeError, match="seed"):
        Source(seed)


def test_equal_integers_are_equal_seeds():
    assert type(_source._checked_integer("seed", np.int64(1), 64)) is int
    assert Source(True).key("w") == Source(1).key("w")


@pytest.mark.parametrize("rows", [[-1], [2**32], [[0]], [0.5]])
def test_rows_out_of_range_are_refused(rows):
    with pytest.raises(ValueError, match="rows must be"):
        Source(0).block("w", LAWS[0], np.array(rows), range(2))


@pytest.mark.parametrize("columns", [range(0, 4, 2), range(-1, 2), range(2**34, 2**34 + 1)])
def test_columns_out_of_range_are_refused(columns):
    with pytest.raises(ValueError, match="columns must be"):
        Source(0).block("w", LAWS[0], range(2), columns)
