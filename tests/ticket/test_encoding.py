import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tombola.ticket import BitMask, OwnerMask, pack, unpack

DENSE = arrays(np.bool_, st.tuples(st.integers(0, 9), st.integers(0, 20)))


def test_bits_by_hand():
    mask = pack(np.array([[1, 0, 1, 0, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0]], np.bool_))
    assert mask.packed.tolist() == [[5, 1], [2, 0]]
    assert (mask.shape, mask.kept) == ((2, 9), 4)
    assert [part.tolist() for part in mask.edges(0, 2)] == [[0, 0, 0, 1], [0, 2, 8, 1]]
    assert [part.tolist() for part in mask.edges(1, 2)] == [[1], [1]]
    assert mask.columns_kept().tolist() == [True, True, True, False, False, False, False, False, True]


def test_owners_by_hand():
    mask = OwnerMask(np.array([2, -1, 0], np.int32), columns=4)
    assert (mask.shape, mask.kept) == ((3, 4), 2)
    assert unpack(mask).astype(int).tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert [part.tolist() for part in mask.edges(1, 3)] == [[2], [0]]
    assert mask.columns_kept().tolist() == [True, False, True, False]


@given(DENSE)
def test_packing_loses_nothing(dense):
    mask = pack(dense)
    np.testing.assert_array_equal(unpack(mask), dense)
    assert mask.kept == dense.sum()
    np.testing.assert_array_equal(mask.rows_kept(), dense.any(axis=1))
    np.testing.assert_array_equal(mask.columns_kept(), dense.any(axis=0))


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(-1, n - 1), max_size=20))))
def test_owners_are_the_same_as_their_bits(case):
    columns, owner = case
    mask = OwnerMask(np.array(owner, np.int32), columns)
    bits = pack(unpack(mask))
    assert mask.kept == bits.kept
    np.testing.assert_array_equal(mask.rows_kept(), bits.rows_kept())
    np.testing.assert_array_equal(mask.columns_kept(), bits.columns_kept())
    for start, stop in ((0, len(owner)), (len(owner) // 2, len(owner))):
        for ours, theirs in zip(mask.edges(start, stop), bits.edges(start, stop), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("owner", "columns", "message"),
    [
        (np.array([3], np.int32), 3, "lie in -1 .. 2"),
        (np.array([-2], np.int32), 3, "lie in -1 .. 2"),
        (np.array([0], np.int32), 0, "lie in -1 .. -1"),
        (np.array([0], np.int64), 3, "int32"),
        (np.array([[0]], np.int32), 3, "one axis"),
        (np.array([0], np.int32), 2**31, r"2\*\*31 - 1 columns"),
        (np.array([0], np.int32), -1, r"2\*\*31 - 1 columns"),
    ],
)
def test_owners_that_cannot_be_are_refused(owner, columns, message):
    with pytest.raises(ValueError, match=message):
        OwnerMask(owner, columns)


@pytest.mark.parametrize(
    ("packed", "columns", "message"),
    [
        (np.zeros((2, 2), np.uint8), 8, "8 columns take 1 bytes, got 2"),
        (np.zeros((2, 0), np.uint8), 2**40, r"2\*\*31 - 1 columns"),
        (np.array([[0b100]], np.uint8), 2, "beyond the last column"),
        (np.zeros(2, np.uint8), 8, "two axes"),
        (np.zeros((2, 1), np.int8), 8, "uint8"),
    ],
)
def test_bits_that_cannot_be_are_refused(packed, columns, message):
    with pytest.raises(ValueError, match=message):
        BitMask(packed, columns)
