import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from tombola.strong import _norms
from tombola.strong._norms import frobenius_bound, spectral_norm_bound

CLOSE = 1e-6


def gaussian(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def shapes_to_try():
    rng = np.random.default_rng(0)
    orthogonal = np.linalg.qr(rng.standard_normal((90, 90)))[0]
    hilbert = 1 / (1.0 + np.add.outer(np.arange(80), np.arange(80)))
    near_ties = np.diag(np.concatenate([np.ones(60), [1 + 1e-9]]))
    two_blocks = np.zeros((120, 120))
    two_blocks[:60, :60], two_blocks[60:, 60:] = gaussian(60, 60), gaussian(60, 60)[::-1]
    zero_sums = np.kron(np.eye(35), np.array([[1.0, -1.0]]))  # orthogonal to every constant vector
    return {
        "row": gaussian(1, 70),
        "column": gaussian(70, 1),
        "tall": gaussian(300, 60),
        "wide": gaussian(60, 300),
        "square": gaussian(130, 130),
        "few": gaussian(3, 5),
        "rank one": np.outer(gaussian(90), gaussian(150)),
        "all ones": np.ones((70, 110)),
        "identity": np.eye(100),
        "orthogonal": orthogonal,
        "hilbert": hilbert,
        "near ties": near_ties,
        "two blocks": two_blocks,
        "zero sums": zero_sums,
        "graded": np.diag(10.0 ** -np.arange(0, 60, 1.0)),
        "last only": np.diag(np.concatenate([np.zeros(99), [1.0]])),
        "nonnegative": np.abs(gaussian(200, 100)),
        "tiny": 1e-30 * gaussian(80, 60),
        "huge": 1e30 * gaussian(80, 60),
        "at the edge of float64": 1e200 * gaussian(60, 80),
        "at the other edge": 1e-200 * gaussian(60, 80),
    }


def test_a_matrix_of_norm_5_by_hand():
    bound = spectral_norm_bound(np.array([[3.0, 0.0], [4.0, 0.0]]))
    assert 5.0 <= bound <= 5.0 * (1 + CLOSE)


@pytest.mark.parametrize("name", shapes_to_try())
def test_never_below_the_largest_singular_value_and_within_a_millionth(name):
    matrix = shapes_to_try()[name]
    exact = np.linalg.norm(matrix, 2)
    assert exact <= spectral_norm_bound(matrix) <= exact * (1 + CLOSE)


@pytest.mark.parametrize(("rows", "columns", "entry"), [(7, 11, 3), (64, 100, 1), (49, 200, 5)])
def test_above_the_norm_in_exact_arithmetic(rows, columns, entry):
    bound = Fraction(spectral_norm_bound(np.full((rows, columns), float(entry))))
    assert bound**2 >= rows * columns * entry**2


@pytest.mark.parametrize("shape", [(0, 0), (0, 4), (4, 0), (3, 5), (70, 80)])
def test_nothing_and_zeros_have_norm_zero(shape):
    assert spectral_norm_bound(np.zeros(shape)) == 0.0


@pytest.mark.parametrize("wrong", [0.0, 0.3, 0.999])
def test_a_wrong_estimate_costs_time_but_not_the_bound(monkeypatch, wrong):
    matrix = gaussian(120, 90)
    exact = np.linalg.norm(matrix, 2)
    monkeypatch.setattr(_norms, "_estimate", lambda gram: wrong * exact**2)
    assert exact <= spectral_norm_bound(matrix) <= 3 * exact


def test_a_gram_matrix_is_put_back_where_its_factorisation_fails():
    gram = gaussian(90, 120)
    gram = gram @ gram.T
    before, largest = gram.copy(), np.linalg.eigvalsh(gram)[-1]
    for short in (0.5, 1 - 1e-9):
        assert not _norms._is_positive_definite(gram, short * largest)
        np.testing.assert_array_equal(gram, before)
    assert _norms._is_positive_definite(gram, (1 + 1e-9) * largest)


def test_nothing_but_one_gram_matrix_is_held():
    matrix = gaussian(1500, 1500)
    tracemalloc.start()
    spectral_norm_bound(matrix)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * matrix.nbytes  # the vectors of the eigenvalue search are a tenth of it


def test_a_factorisation_that_runs_to_its_end_by_rounding_is_paid_for(monkeypatch):
    # [Rump2006]: success with a shift c shows no more than lambda <= c + phi * trace(c I - G), and G has errors too
    matrix, unit = gaussian(120, 90), 2.0**-53
    largest, trace = np.linalg.norm(matrix, 2) ** 2, np.linalg.norm(matrix) ** 2
    short = 0.9 * (91 * unit * (90 * largest - trace) + 120 * unit * trace)
    margin = _norms.first_margin(90)
    monkeypatch.setattr(_norms, "_estimate", lambda gram: (largest - short) / (1 + margin))
    monkeypatch.setattr(_norms, "_is_positive_definite", lambda gram, shift: True)
    assert np.linalg.norm(matrix, 2) <= spectral_norm_bound(matrix)


def test_the_gram_matrix_of_the_shorter_side_is_taken(monkeypatch):
    orders = []
    estimate = _norms._estimate
    monkeypatch.setattr(_norms, "_estimate", lambda gram: orders.append(len(gram)) or estimate(gram))
    spectral_norm_bound(gaussian(20, 300))
    spectral_norm_bound(gaussian(300, 20))
    assert orders == [20, 20]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_entries_that_are_not_finite_are_refused(bad):
    with pytest.raises(ValueError, match="not finite"):
        spectral_norm_bound(np.array([[1.0, bad]]))


def test_the_frobenius_bound_is_above_the_norm_and_near():
    matrix = gaussian(40, 30)
    exact = sum(Fraction(value) ** 2 for value in matrix.ravel().tolist())
    assert exact <= Fraction(frobenius_bound(matrix)) ** 2 <= exact * (1 + Fraction(1, 10**9))
