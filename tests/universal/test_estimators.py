"""Universal tickets as scikit-learn transformers: scikit-learn's own checks first, then what is promised besides."""

import copy
import hashlib
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import tombola.universal
from tombola.universal import FourierTicket, PolynomialTicket, build, fourier, polynomial

BOTH = (PolynomialTicket(), FourierTicket())
EITHER = pytest.mark.parametrize("transformer", BOTH, ids=["polynomial", "fourier"])


def table(rows, columns, seed=0):
    """Rows with columns of quite different places and widths."""
    places = np.linspace(-100, 1000, columns)
    return places + np.random.default_rng(seed).standard_normal((rows, columns)) * 10.0 ** np.arange(columns)


def shares(x, transformer):
    """Rows scaled to the box that a transformer learned, written down a second time."""
    return (x - transformer.data_min_) / (transformer.data_max_ - transformer.data_min_)


def masked_parent(ticket):
    """SHA-256 over the positions and the source's values of all edges that a ticket keeps."""
    digest = hashlib.sha256()
    for name, tensor in sorted(ticket.tensors.items()):
        height = tensor.mask.shape[0]
        rows, columns = tensor.mask.edges(0, height)
        digest.update(f"{name} {tensor.mask.shape} {tensor.law} {tensor.transposed}".encode())
        for part in (rows.astype("<i8"), columns.astype("<i8"), ticket.block(name, 0, height)[rows, columns]):
            digest.update(part.tobytes())
    return digest.hexdigest()


@parametrize_with_checks(list(BOTH))
def test_what_scikit_learn_asks_of_an_estimator(estimator, check):
    check(estimator)


def test_one_column_by_hand():
    x = np.array([[10.0], [15.0], [20.0]])
    ticket = PolynomialTicket(degree=2).fit(x)
    np.testing.assert_array_equal([ticket.data_min_, ticket.data_max_], [[10.0], [20.0]])
    errors = ticket.certificate_.errors
    assert (np.abs(ticket.transform(x) - [[0.5, 0.25], [0.75, 0.5625], [1.0, 1.0]]) <= errors).all()
    wave = FourierTicket(frequency=1, period=2.0).fit(x)
    assert (np.abs(wave.transform(x) - [[0, 1], [1, 0], [0, -1]]) <= wave.certificate_.errors).all()
    assert max(ticket.certificate_.bound, wave.certificate_.bound) <= 1e-2


@pytest.mark.parametrize(
    ("transformer", "family"),
    [
        (PolynomialTicket(degree=3), polynomial(3, 3)),
        (PolynomialTicket(degree=2, tolerance=1e-2), polynomial(3, 2, tolerance=1e-2)),
        (FourierTicket(), fourier(3, 2, period=2.0)),
        (FourierTicket(frequency=1, period=1.5, fold=True), fourier(3, 1, period=1.5, fold=True)),
    ],
    ids=["cubes", "coarse", "waves", "folded"],
)
def test_features_keep_the_certificate_over_the_box(transformer, family):
    x = table(400, 3)
    found = clone(transformer).fit(x[:200])
    inside = x[[found.count_outside(row[None]) == 0 for row in x]]
    errors = np.abs(found.transform(inside) - family.exact(shares(inside, found)))
    assert len(inside) > 200
    assert (errors <= found.certificate_.errors + 1e-12).all()
    assert 0 < errors.max() <= found.certificate_.bound <= family.tolerance


@EITHER
def test_fit_learns_the_box_and_nothing_else(transformer):
    first, second = (clone(transformer).fit(table(50, 3, seed), np.arange(50) * seed) for seed in (1, 2))
    family = polynomial(3, 2) if isinstance(transformer, PolynomialTicket) else fourier(3, 2, period=2.0)
    without_data = build(family)
    hashes = {masked_parent(ticket) for ticket in (first.ticket_, second.ticket_, without_data)}
    effective = {ticket.record["effective_sha256"] for ticket in (first.ticket_, second.ticket_, without_data)}
    assert len(hashes) == len(effective) == 1
    assert (first.data_min_ != second.data_min_).all()
    assert (first.data_max_ != second.data_max_).all()
    other = clone(transformer).set_params(seed=1).fit(table(50, 3, 1))
    assert masked_parent(other.ticket_) not in hashes
    assert other.ticket_.record["effective_sha256"] not in effective


@EITHER
def test_what_depends_on_the_data_is_no_more_than_the_box(transformer):
    fits = [vars(clone(transformer).fit(table(50, 2, seed))) for seed in (1, 2)]
    same = {name for name in fits[0] if np.array_equal(fits[0][name], fits[1][name])}
    assert fits[0].keys() - same == {"data_min_", "data_max_"}


def test_a_ridge_on_the_ticket_predicts_as_the_same_ridge_on_exact_features():
    x, y = load_diabetes(return_X_y=True)
    model = make_pipeline(PolynomialTicket(degree=2), Ridge(alpha=0.1)).fit(x, y)
    transformer, ridge = model
    exact = polynomial(x.shape[1], 2).exact(shares(x, transformer)) @ ridge.coef_ + ridge.intercept_
    difference = np.abs(model.predict(x) - exact)
    bound = transformer.certificate_.read_out(ridge.coef_)
    assert 0 < difference.max() <= bound < np.ptp(y)


def test_least_squares_finds_a_polynomial_as_well_as_its_coefficients_allow():
    generator = np.random.default_rng(3)
    x = table(500, 3)
    transformer = PolynomialTicket(degree=3).fit(x)
    coefficients = generator.standard_normal(19)
    y = polynomial(3, 3).exact(shares(x, transformer)) @ coefficients
    features = transformer.transform(x)
    residual = y - LinearRegression().fit(features, y).predict(features)
    assert np.sqrt(np.mean(residual**2)) <= transformer.certificate_.read_out(coefficients) < np.ptp(y)


def test_in_a_pipeline_with_a_regression_and_a_classifier():
    x, y = load_iris(return_X_y=True)
    classifier = make_pipeline(PolynomialTicket(), StandardScaler(), LogisticRegression(max_iter=1000))
    assert cross_val_score(classifier, x, y).mean() > 0.9
    x, y = load_diabetes(return_X_y=True)
    folds = KFold(5, shuffle=True, random_state=0)
    ticket = cross_val_score(make_pipeline(PolynomialTicket(), StandardScaler(), Ridge(50.0)), x, y, cv=folds)
    dense = cross_val_score(make_pipeline(PolynomialFeatures(2), StandardScaler(), Ridge(50.0)), x, y, cv=folds)
    assert ticket.mean() > 0.4
    assert abs(ticket.mean() - dense.mean()) < 0.1


def test_a_search_over_parameters_takes_numbers_of_numpy():
    x, y = load_iris(return_X_y=True)
    model = make_pipeline(PolynomialTicket(), LinearRegression())
    grid = {"polynomialticket__degree": np.arange(1, 3), "polynomialticket__tolerance": np.array([1e-3, 1e-2])}
    search = GridSearchCV(model, grid, cv=2).fit(x, y)
    assert search.best_estimator_[0].ticket_.record["family"]["settings"]["degree"] in {1, 2}


def test_cross_validation_in_two_processes_is_that_in_one():
    x, y = load_breast_cancer(return_X_y=True)
    model = make_pipeline(FourierTicket(frequency=1), Ridge())
    try:
        in_two = cross_val_score(model, x[:, :5], y, cv=3, n_jobs=2)
    finally:
        get_reusable_executor().shutdown()
    np.testing.assert_allclose(in_two, cross_val_score(model, x[:, :5], y, cv=3), rtol=1e-9)


def test_names_say_which_columns_a_feature_is_made_of():
    polynomials = PolynomialTicket(degree=2).fit(table(5, 2))
    assert polynomials.get_feature_names_out().tolist() == ["x0", "x1", "x0^2", "x0 x1", "x1^2"]
    like = PolynomialFeatures(2, include_bias=False).fit(table(5, 2))
    for names in (None, ["a", "b"], np.array(["a", "b"])):
        ours = polynomials.get_feature_names_out(names)
        np.testing.assert_array_equal(ours, like.get_feature_names_out(names))
        assert ours.dtype == like.get_feature_names_out(names).dtype == object
    waves = FourierTicket(frequency=1).fit(table(5, 2)).get_feature_names_out(["a", "b"])
    assert waves.tolist() == ["sin(2 pi a / 2)", "cos(2 pi a / 2)", "sin(2 pi b / 2)", "cos(2 pi b / 2)"]


@EITHER
def test_names_are_of_the_ticket_that_was_fitted(transformer):
    fitted = clone(transformer).fit(table(5, 2))
    before = fitted.get_feature_names_out()
    fitted.set_params(tolerance=0.5, **{"degree": 5} if isinstance(fitted, PolynomialTicket) else {"frequency": 5})
    np.testing.assert_array_equal(fitted.get_feature_names_out(), before)
    assert len(before) == fitted.transform(table(5, 2)).shape[1] == len(fitted.certificate_.errors)


@EITHER
def test_names_that_do_not_fit_are_refused(transformer):
    with pytest.raises(NotFittedError):
        transformer.get_feature_names_out()
    with pytest.raises(ValueError, match=r"length equal to number of features \(2\), got 3"):
        clone(transformer).fit(table(5, 2)).get_feature_names_out(["a", "b", "c"])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_names_of_columns_go_in_and_come_out(library):
    frames = pytest.importorskip(library)
    rows = table(5, 2)
    frame = frames.DataFrame({"a": rows[:, 0], "b": rows[:, 1]})
    transformer = PolynomialTicket().set_output(transform=library).fit(frame)
    out = transformer.transform(frame)
    assert list(out.columns) == ["a", "b", "a^2", "a b", "b^2"]
    np.testing.assert_array_equal(out.to_numpy(), transformer.set_output(transform="default").transform(frame))
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        transformer.get_feature_names_out(["a", "c"])
    transformer.set_params(outside="error")
    with pytest.raises(ValueError, match="in column 'b' of row 3"):
        transformer.transform(frames.DataFrame({"a": rows[:, 0], "b": [*rows[:3, 1], 1e6, 1e6]}))


@EITHER
def test_values_outside_of_the_box_are_moved_to_its_edge_and_can_be_counted(transformer):
    fitted = clone(transformer).fit([[0.0, 10.0], [4.0, 30.0]])
    rows = np.array([[1.0, 20.0], [-1.0, 20.0], [9.0, 1e300], [4.0 + 1e-9, 30.0 + 1e-9]])
    edge = np.array([[1.0, 20.0], [0.0, 20.0], [4.0, 30.0], [4.0, 30.0]])
    np.testing.assert_array_equal(fitted.transform(rows), fitted.transform(edge))
    assert fitted.count_outside(rows) == 3
    assert fitted.count_outside(edge) == 0


@EITHER
def test_values_outside_of_the_box_warn_or_raise_if_wanted(transformer):
    rows = [[1.0, 20.0], [2.0, 31.0], [-1.0, 31.0]]
    fitted = clone(transformer).set_params(outside="warn").fit([[0.0, 10.0], [4.0, 30.0]])
    found = r"^3 of 6 values of X lie outside of the box that fit learned, first 31\.0 in column 'x1' of row 1, "
    with pytest.warns(UserWarning, match=found + r"which goes from 10\.0 to 30\.0; they were moved") as caught:
        warned = fitted.transform(rows)
    assert len(caught) == 1
    np.testing.assert_array_equal(warned, fitted.set_params(outside="clip").transform(rows))
    fitted.set_params(outside="error")
    with pytest.raises(ValueError, match=found + r".*set outside='clip'"):
        fitted.transform(rows)
    assert fitted.transform(rows[:1]).shape[0] == 1


@EITHER
@pytest.mark.parametrize("outside", ["warn", "error"])
def test_the_data_of_the_fit_never_lie_outside(transformer, outside):
    x = table(500, 4).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clone(transformer).set_params(outside=outside).fit_transform(x)


@EITHER
def test_a_constant_column_stands_at_the_start_of_the_box(transformer):
    x = np.array([[7.0, 0.0], [7.0, 1.0], [7.0, 4.0]])
    fitted = clone(transformer).fit(x)
    reference = clone(transformer).fit([[0.0, 0.0], [1.0, 4.0]])
    np.testing.assert_array_equal(fitted.transform(x), reference.transform(x * [0.0, 1.0]))
    assert fitted.count_outside(x) == 0
    assert fitted.count_outside(x + np.array([1e-3, 0.0])) == 3


@EITHER
def test_the_widest_and_the_narrowest_columns_do_not_overflow(transformer):
    largest = np.finfo(np.float64).max
    x = np.array([[-largest, 0.0], [0.0, 1e-300], [largest, 2e-300]])
    fitted = clone(transformer).fit(x)
    reference = clone(transformer).fit([[0.0, 0.0], [1.0, 1.0]])
    middle = reference.transform([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    np.testing.assert_array_equal(fitted.transform(x), middle)
    assert fitted.count_outside(x) == 0
    np.testing.assert_array_equal(fitted.transform([[0.0, largest]]), reference.transform([[0.5, 1.0]]))
    assert fitted.count_outside([[0.0, -largest]]) == 1


@EITHER
def test_float32_comes_out_as_float64(transformer):
    out = clone(transformer).fit_transform(table(5, 2).astype(np.float32))
    assert out.dtype == np.float64


def test_a_fitted_transformer_is_a_small_pickle_and_the_same_afterwards():
    x = table(100, 3)
    fitted = PolynomialTicket(degree=3).fit(x)
    before = fitted.transform(x)
    pickled = pickle.dumps(fitted)
    assert len(pickled) < 20_000
    for again in (pickle.loads(pickled), copy.deepcopy(fitted)):
        assert again.ticket_ is not fitted.ticket_
        np.testing.assert_array_equal(again.transform(x), before)
        assert masked_parent(again.ticket_) == masked_parent(fitted.ticket_)
        np.testing.assert_array_equal(again.certificate_.errors, fitted.certificate_.errors)
    assert len(pickle.dumps(fitted)) == len(pickled)


def test_fits_that_ask_for_the_same_share_a_ticket():
    first, second = (PolynomialTicket(seed=seed).fit(table(5, 2, rows)) for seed, rows in ((3, 1), (np.int64(3), 2)))
    assert first.ticket_ is second.ticket_
    assert PolynomialTicket(seed=3, degree=1).fit(table(5, 2)).ticket_ is not first.ticket_


def test_before_a_fit_there_is_no_certificate():
    assert not hasattr(PolynomialTicket(), "certificate_")
    with pytest.raises(NotFittedError):
        FourierTicket().count_outside([[0.0]])


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (PolynomialTicket(degree=0), "degree must be an integer of at least 1, got 0"),
        (PolynomialTicket(degree=1.5), "degree must be an integer of at least 1, got 1.5"),
        (PolynomialTicket(degree=[2]), r"degree must be an integer of at least 1, got \[2\]"),
        (PolynomialTicket(tolerance=0.0), "tolerance must lie between 1e-6 and 1, got 0.0"),
        (PolynomialTicket(tolerance="fine"), "tolerance must be a number, got 'fine'"),
        (PolynomialTicket(seed=-1), "seed must be an integer of at least 0, got -1"),
        (PolynomialTicket(width=0), "width must be an integer of at least 1, got 0"),
        (PolynomialTicket(width=20), "needs more than the 20 hidden units of its source"),
        (PolynomialTicket(outside="drop"), "outside must be one of clip, warn, error, got 'drop'"),
        (PolynomialTicket(outside=None), "outside must be one of clip, warn, error, got None"),
        (FourierTicket(frequency=True), "frequency must be an integer of at least 1, got True"),
        (FourierTicket(period=0.0), "period must be a positive finite number, got 0.0"),
        (FourierTicket(period=None), "period must be a number, got None"),
        (FourierTicket(fold="no"), "fold must be True or False, got 'no'"),
    ],
    ids=repr,
)
def test_a_parameter_out_of_range_is_refused_by_fit(transformer, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit(table(5, 2))


@pytest.mark.parametrize("dimension", [1, 2, 5])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_more_features_than_units_are_counted_and_refused(dimension, order):
    for transformer, family in (
        (PolynomialTicket(order, width=1), polynomial(dimension, order)),
        (FourierTicket(order, width=1), fourier(dimension, order)),
    ):
        if family.features > 1:
            with pytest.raises(ValueError, match=rf"{re.escape(repr(transformer))} has ") as e:
                transformer.fit(table(3, dimension))
            assert f" has {family.features:,} features of {dimension} columns" in str(e.value)


def test_far_too_many_features_are_refused_before_they_are_listed():
    with pytest.raises(ValueError, match=r"has 4,590,550 features of 300 columns.*lower degree.*width=4590550"):
        PolynomialTicket(degree=3).fit(np.zeros((2, 300)))
    with pytest.raises(ValueError, match="lower frequency"):
        FourierTicket(frequency=50).fit(np.zeros((2, 300)))


@EITHER
def test_wrong_data_are_refused_in_the_words_of_scikit_learn(transformer):
    with pytest.raises(ValueError, match="Input X contains NaN"):
        clone(transformer).fit([[0.0], [np.nan]])
    with pytest.raises(ValueError, match="0 feature"):
        clone(transformer).fit(np.empty((3, 0)))
    with pytest.raises(ValueError, match=r"X has 3 features, but .*Ticket is expecting 2 features as input"):
        clone(transformer).fit(table(5, 2)).transform(table(5, 3))


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'SplineTicket'; it has Family, "):
        _ = tombola.universal.SplineTicket


def test_who_asks_for_no_transformer_does_not_import_scikit_learn():
    script = "import sys, tombola.universal as u; print(u.build.__name__, 'sklearn' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["build", "False"]
