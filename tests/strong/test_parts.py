import numpy as np
import pytest

from tombola.strong import _parts
from tombola.strong._parts import blocks, selected

MATRIX = np.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize("rows", [None, np.array([True, False, True]), np.array([2, 0]), np.ones(3, bool)])
@pytest.mark.parametrize("columns", [None, np.array([False, True, True, False]), np.arange(4), np.zeros(4, bool)])
def test_the_rows_and_columns_that_were_asked_for(rows, columns):
    expected = MATRIX if rows is None else MATRIX[rows]
    expected = expected if columns is None else expected[:, columns]
    np.testing.assert_array_equal(selected(MATRIX, rows, columns), expected)


@pytest.mark.parametrize("rows", [None, np.arange(3), np.ones(3, bool)])
def test_everything_is_no_copy(rows):
    assert selected(MATRIX, rows, np.ones(4, bool)) is MATRIX


@pytest.mark.parametrize(("entries", "heights"), [(100, [3]), (8, [2, 1]), (1, [1, 1, 1])])
def test_blocks_are_all_rows_in_order(monkeypatch, entries, heights):
    monkeypatch.setattr(_parts, "BLOCK", entries)
    found = list(blocks(MATRIX))
    assert [len(rows) for rows in found] == heights
    np.testing.assert_array_equal(np.concatenate(found), MATRIX)


def test_a_matrix_of_no_rows_is_one_block():
    assert [rows.shape for rows in blocks(np.zeros((0, 4)))] == [(0, 4)]
