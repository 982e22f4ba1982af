"""Universal tickets on the command line: built, inspected, fitted to tables, applied to others."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tests.cli.conftest import temporary_files
from torch import nn

from tombola.cli import main
from tombola.cli._universal_options import FamilyName
from tombola.cli._universal_read_out import load_read_out
from tombola.ticket import Ticket, load_ticket
from tombola.universal import Features, Function, named_family, univariate
from tombola.universal import build as built

POLYNOMIAL = ["build", "polynomial", "--dimension", "2", "--degree", "2", "--tolerance", "0.01"]
HATS = ["build", "hat", "--dimension", "2", "--knots", "3", "--tolerance", "0.01"]
SETTINGS = {
    "polynomial": ["--degree", "2"],
    "fourier": ["--frequency", "1", "--period", "2", "--fold"],
    "chebyshev": ["--degree", "2"],
    "legendre": ["--degree", "2"],
    "hat": ["--knots", "3"],
}


@pytest.fixture(scope="session")
def shelf(tmp_path_factory):
    """A folder with two tickets, and a read-out of each kind of task on the first of them; made once."""
    folder = tmp_path_factory.mktemp("shelf")
    poly, hat, numbers, classes = (folder / name for name in ("poly.ticket", "hat.ticket", "bmi.json", "iris.json"))
    for words in (
        [*POLYNOMIAL, "-o", poly],
        [*HATS, "-o", hat],
        ["fit", poly, "diabetes", "--columns", "bmi,s5", "--alpha", "0.1", "-o", numbers],
        ["fit", poly, "iris", "--components", "2", "--alpha", "0.01", "-o", classes],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["universal", *map(str, words), "--json"])
        assert stopped.value.code == 0
    return folder


@pytest.fixture
def universal(tombola, shelf, tmp_path):
    """Runs `tombola universal` in a folder with these files."""
    shutil.copytree(shelf, tmp_path, dirs_exist_ok=True)
    return lambda *words: tombola("universal", *words)


def table(path, header="a,b,y", rows=40, cell=None):
    """A CSV file with two columns and y = a^2 - b; `cell` changes one, as (row, column, text)."""
    draw = np.random.default_rng(5).random((rows, 2))
    lines = [[f"{a}", f"{b}", f"{a * a - b}"] for a, b in draw]
    if cell is not None:
        row, column, text = cell
        lines[row][column] = text
    Path(path).write_text("\n".join([header, *map(",".join, lines)]) + "\n")


def refused(result, *said):
    """The one line that bad input is answered with, which says these things."""
    assert (result.code, result.out) == (2, "")
    for words in said:
        assert words in result.complaint
    return result


# build


def test_build_says_in_json_what_the_ticket_holds(universal, tmp_path):
    result = universal(*POLYNOMIAL, "--seed", "3", "-o", "new.ticket", "--json")
    assert (result.code, result.err) == (0, "")
    record, ticket = result.record, load_ticket(tmp_path / "new.ticket")
    assert (record["family"], record["dimension"], record["degree"], record["features"]) == ("polynomial", 2, 2, 5)
    assert (record["seed"], record["construction"], record["tolerance"]) == (3, "paths", 0.01)
    assert (record["kept"], record["source_parameters"]) == (ticket.kept, ticket.source_parameters)
    assert record["density"] == ticket.density
    assert record["sup_error_bound"] == ticket.certificate.bound <= 0.01
    assert 0 < record["sup_error_measured"] <= record["sup_error_bound"]
    assert record["met"] is True
    assert (record["ticket"], record["ticket_bytes"]) == ("new.ticket", (tmp_path / "new.ticket").stat().st_size)
    assert set(record["knots"]) == {"log", "exp"}
    assert len(record["widths"]) == len(ticket.stages)
    assert record["seconds"] > 0
    assert not temporary_files(tmp_path)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_family_is_built_and_what_is_measured_is_below_what_is_proved(tombola, name, tmp_path):
    words = ["--dimension", "1", "--tolerance", "0.1", *SETTINGS[name], "--json"]
    record = tombola("universal", "build", name, *words).record
    assert record["family"] == name
    assert 0 < record["sup_error_measured"] <= record["sup_error_bound"] <= 0.1
    assert record["ticket"] is None
    assert not list(tmp_path.iterdir())


def test_every_family_that_has_a_name_can_be_built():
    assert sorted(SETTINGS) == sorted(family.value for family in FamilyName)
    with pytest.raises(ValueError, match="unknown family 'x'") as found:
        named_family("x", 1, degree=1)
    assert str(found.value).partition("known are ")[2].split(", ") == [family.value for family in FamilyName]


@pytest.mark.parametrize("construction", ["two-layer", "depth-leveraged:2"])
def test_a_construction_is_taken_by_its_name(universal, construction):
    record = universal(*HATS, "--construction", construction, "--json").record
    assert record["construction"].startswith(construction.partition(":")[0])
    assert record["met"]


def test_build_tells_people_what_is_proved_and_what_was_seen(universal):
    shown = universal(*HATS, "-o", "new.ticket")
    assert shown.out.startswith("hat ticket on [0, 1]^2, seed 0\n")
    assert "(proved)" in shown.out
    assert "largest error seen on a sample" in shown.out
    assert "at most 0.01: met" in shown.out
    assert shown.out.endswith("next: tombola universal inspect new.ticket\n")
    assert universal(*HATS).out.endswith("note: nothing was written; -o names a file\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["polynomial", "--dimension", "2", "--knots", "3"], "takes degree, got knots"),
        (["polynomial", "--dimension", "2", "--degree", "2", "--fold"], "takes degree, got degree, fold"),
        (["hat", "--dimension", "2"], "takes knots, got nothing"),
        (["fourier", "--dimension", "2", "--period", "2"], "needs --frequency"),
        (["cosine", "--dimension", "2"], "'cosine'"),
        (["hat", "--knots", "3"], "--dimension"),
        (["hat", "--dimension", "0", "--knots", "3"], "dimension must be an integer of at least 1"),
        (["hat", "--dimension", "1", "--knots", "3", "--tolerance", "7"], "tolerance must lie between"),
        (["hat", "--dimension", "1", "--knots", "3", "--seed", "-1"], "seed must be"),
        (["hat", "--dimension", "1", "--knots", "3", "--construction", "one-extra"], "paths, two-layer or"),
        (["hat", "--dimension", "1", "--knots", "3", "--construction", "depth-leveraged"], "wants a number"),
        (["hat", "--dimension", "9", "--knots", "9", "--width", "80"], "81 features"),
        (["hat", "--dimension", "1", "--knots", "3", "-o", "no/x.ticket"], "does not exist"),
    ],
)
def test_what_cannot_be_built(tombola, tmp_path, words, said):
    refused(tombola("universal", "build", *words), said)
    assert not list(tmp_path.iterdir())


def test_a_build_that_fails_leaves_the_old_ticket(universal, tmp_path):
    before = (tmp_path / "poly.ticket").read_bytes()
    refused(universal(*HATS, "--width", "8", "-o", "poly.ticket"), "wide")
    assert (tmp_path / "poly.ticket").read_bytes() == before
    assert not temporary_files(tmp_path)


# inspect


def test_inspect_counts_every_edge_once(universal, tmp_path):
    record, ticket = universal("inspect", "poly.ticket", "--json").record, load_ticket(tmp_path / "poly.ticket")
    assert [step["name"] for step in record["steps"]] == ["log", "exponents", "exp"]
    assert sum(step["kept"] for step in record["steps"]) == record["kept"] == ticket.kept
    assert sum(step["source_parameters"] for step in record["steps"]) == ticket.source_parameters
    assert record["names"] == ["x0", "x1", "x0^2", "x0 x1", "x1^2"]
    assert record["errors"] == ticket.certificate.errors.tolist()
    assert (record["family"], record["settings"], record["features"]) == ("polynomial", {"degree": 2}, 5)
    assert record["proved"] is True


def test_inspect_shows_people_steps_and_features(universal):
    out = universal("inspect", "poly.ticket").out
    assert "poly.ticket: universal ticket, seed 0, " in out
    assert "family: polynomial, degree 2, 5 features on [0, 1]^2\n" in out
    assert "do not grow with the dimension" in out
    assert "x0 x1" in out
    assert max(map(len, out.splitlines())) <= 100
    assert out.endswith("next: tombola universal fit poly.ticket DATA -o readout.json\n")


def test_people_see_twenty_features_and_json_has_all(universal):
    universal("build", "hat", "--dimension", "7", "--knots", "3", "--tolerance", "0.1", "-o", "many.ticket")
    out = universal("inspect", "many.ticket").out
    assert "the first 20 of 21 features" in out
    assert sum("hat at" in line for line in out.splitlines()) == 20
    assert len(universal("inspect", "many.ticket", "--json").record["names"]) == 21


def test_functions_of_ones_own_of_which_nothing_is_proved(universal, tmp_path):
    root = Function("root", lambda x: np.sqrt(x + 0.1), 0.0, 1.0)
    built(univariate([root], dimension=2, tolerance=0.05)).save(tmp_path / "own.ticket")
    record = universal("inspect", "own.ticket", "--json").record
    assert (record["names"], record["errors"], record["proved"]) == (["root(x0)", "root(x1)"], [None, None], False)
    assert record["sup_error_bound"] is None
    assert "not proved" in universal("inspect", "own.ticket").out
    found = universal("fit", "own.ticket", "diabetes", "--columns", "bmi,s5", "-o", "own.json", "--json").record
    assert (found["bound"], found["score_exact"], found["score_exact_fitted"]) == (None, None, None)
    assert "not proved" in universal("evaluate", "own.ticket", "own.json", "diabetes").out


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "x.ticket"],
        ["fit", "x.ticket", "diabetes", "-o", "new.json"],
        ["evaluate", "x.ticket", "bmi.json", "diabetes"],
    ],
)
def test_a_file_that_is_no_universal_ticket(universal, tmp_path, words):
    refused(universal(*words), "x.ticket: No such file or directory")
    Ticket.from_masks(nn.Linear(2, 1), {"weight": torch.tensor([[True, False]])}).save(tmp_path / "x.ticket")
    refused(universal(*words), "x.ticket is a masked ticket", "`tombola universal build`")
    (tmp_path / "x.ticket").write_bytes((tmp_path / "poly.ticket").read_bytes()[:-10])
    refused(universal(*words), "x.ticket: not a readable ticket")
    assert not (tmp_path / "new.json").exists()


# fit


def test_fit_finds_a_function_of_the_family(universal, tmp_path):
    table("data.csv", rows=200)
    result = universal("fit", "poly.ticket", "data.csv", "-o", "new.json", "--alpha", "1e-4", "--json")
    assert (result.code, result.err) == (0, "")
    record = result.record
    assert (record["task"], record["target"], record["columns"]) == ("numbers", "y", ["a", "b"])
    assert (record["training_rows"], record["rows"], record["features"]) == (160, 40, 5)
    assert min(record[name] for name in ("score", "score_exact", "score_exact_fitted")) > 0.999
    assert 0 < record["largest_difference"] <= record["bound"]
    proof, read_out = load_ticket(tmp_path / "poly.ticket").certificate, load_read_out(tmp_path / "new.json")
    assert record["bound"] == proof.read_out(read_out.coefficients).max()
    assert record["surely_same"] is None
    assert not temporary_files(tmp_path)


def test_the_file_says_all_that_a_prediction_needs(universal, tmp_path):
    data = json.loads((tmp_path / "bmi.json").read_text())
    assert data["format"] == "tombola-readout/1"
    ticket = load_ticket(tmp_path / "poly.ticket")
    assert data["ticket_sha256"] == ticket.record["effective_sha256"]
    assert (data["task"], data["columns"], data["target"]) == ("numbers", ["bmi", "s5"], "target")
    low, high = np.array(data["low"]), np.array(data["high"])
    bunch = load_diabetes()
    inputs = np.clip((bunch.data[:, [2, 8]] - low) / (high - low), 0, 1)
    predicted = Features.of(ticket)(inputs) @ np.array(data["coefficients"][0]) + data["intercept"][0]
    left = np.square(predicted - bunch.target).sum() / np.square(bunch.target - bunch.target.mean()).sum()
    score = universal("evaluate", "poly.ticket", "bmi.json", "diabetes", "--json").record["score"]
    np.testing.assert_allclose(score, 1 - left, rtol=1e-12)


def test_components_are_those_of_scikit_learn(universal, tmp_path):
    words = ["iris", "--components", "2", "--test-fraction", "0.5", "--seed", "3", "-o", "new.json"]
    assert universal("fit", "poly.ticket", *words).code == 0
    read_out, columns = load_read_out(tmp_path / "new.json"), load_iris().data
    values = (columns - read_out.centre) @ read_out.components.T
    inside = ((values >= read_out.low) & (values <= read_out.high)).all(axis=1)
    assert inside.sum() >= 75  # those that the box was made for
    train = train_test_split(np.arange(150), test_size=75, random_state=3, stratify=load_iris().target)[0]
    scaler = StandardScaler().fit(columns[train])
    wanted = PCA(2, svd_solver="full").fit_transform(scaler.transform(columns[train]))
    np.testing.assert_allclose(values[train], wanted, atol=1e-12)
    np.testing.assert_allclose(read_out.low, wanted.min(axis=0), atol=1e-12)


def test_classes_have_decision_values_and_rows_that_are_sure(universal, tmp_path):
    result = universal("evaluate", "poly.ticket", "iris.json", "iris", "--json")
    record, read_out = result.record, load_read_out(tmp_path / "iris.json")
    assert read_out.classes == ("setosa", "versicolor", "virginica")
    assert read_out.coefficients.shape == (3, 5)
    assert record["score"] > 0.85
    assert 0 < record["largest_difference"] <= record["bound"]
    assert 0 < record["surely_same"] <= 1
    assert abs(record["score"] - record["score_exact"]) <= 1 - record["surely_same"]
    assert "rows proved to be of the same class" in universal("evaluate", "poly.ticket", "iris.json", "iris").out


def test_surely_the_same_class_means_that_no_change_within_bounds_alters_it(universal, tmp_path):
    read_out = load_read_out(tmp_path / "iris.json")
    assert read_out.task == "classes"
    bounds = np.array([0.1, 0.2, 0.3])
    values = np.array([[1.0, 0.69, 0.0], [1.0, 0.71, 0.0], [0.0, 0.55, 0.0], [0.0, 0.45, 0.0]])
    assert read_out.surely_same(values, bounds) == 0.5
    assert read_out.surely_same(values, bounds / 10) == 1.0


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "digits"])
def test_every_table_of_scikit_learn(universal, name):
    words = ["fit", "poly.ticket", name, "--components", "2", "--alpha", "1", "-o", "new.json"]
    record = universal(*words, "--json").record
    assert record["task"] == "classes"
    assert record["components"] == 2
    assert record["score"] > 1.5 / len(record["classes"])
    assert abs(record["score"] - record["score_exact"]) <= 1 - record["surely_same"]


def test_columns_by_number_target_by_name_and_a_task_that_is_said(universal):
    table("data.csv", header="y,b,kind", cell=None)
    words = ["fit", "poly.ticket", "data.csv", "--target", "b", "--columns", "0,2", "-o", "new.json", "--json"]
    record = universal(*words).record
    assert (record["target"], record["columns"], record["task"]) == ("b", ["y", "kind"], "numbers")
    Path("kinds.csv").write_text("a,b,y\n" + "".join(f"{k},{k % 7},{k % 2}\n" for k in range(30)))
    words = ["fit", "poly.ticket", "kinds.csv", "-o", "new.json", "--json"]
    assert universal(*words).record["task"] == "classes"
    assert universal(*words).record["classes"] == ["0", "1"]
    assert universal(*words, "--task", "numbers").record["task"] == "numbers"


def test_fit_tells_people_the_score_next_to_that_of_exact_features(universal):
    out = universal("fit", "poly.ticket", "diabetes", "--columns", "bmi,s5", "-o", "new.json").out
    assert out.startswith("target of diabetes: numbers, scores on rows held out\n")
    for words in ("R^2", "the same read-out on exact features", "a read-out fitted to exact features", "(proved)"):
        assert words in out
    assert out.endswith("next: tombola universal evaluate poly.ticket new.json diabetes\n")


def test_equal_fits_write_equal_files(universal, tmp_path):
    universal("fit", "poly.ticket", "diabetes", "--columns", "2,8", "--alpha", "0.1", "-o", "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "bmi.json").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["diabetes"], "takes 2 inputs, and diabetes has 10 columns: choose 2 with --columns, or make"),
        (["diabetes", "--columns", "1,2,3"], "has 3 columns"),
        (["diabetes", "--columns", "1,1"], "twice"),
        (["diabetes", "--columns", "bmi,target"], "which is the target"),
        (["diabetes", "--columns", "bmi,weight"], "no column 'weight'; it has the columns 0 to 10: age, sex, "),
        (["diabetes", "--columns", "1,11"], "no column '11'"),
        (["diabetes", "--components", "3"], "takes 2 inputs, got --components 3"),
        (["diabetes", "--components", "2", "--columns", "bmi"], "2 principal components need as many columns, got 1"),
        (["diabetes", "--target", "weight", "--columns", "1,2"], "no column 'weight'"),
        (["diabets"], "no file diabets, and no bundled table of that name; those are diabetes, wine"),
        (["diabetes", "--columns", "1,2", "--alpha", "0"], "alpha must be a positive finite number"),
        (["diabetes", "--columns", "1,2", "--test-fraction", "1"], "test fraction must lie between 0 and 1"),
        (["diabetes", "--columns", "1,2", "--test-fraction", "0.001"], "too few"),
        (["diabetes", "--columns", "1,2", "--seed", "-1"], "seed must be"),
        (["diabetes", "--columns", "1,2", "--task", "ranks"], "'ranks'"),
        (["iris", "--components", "2", "--task", "numbers"], "'target' is 'setosa', wanted a number"),
        (["poly.ticket"], "not a CSV file"),
        (["."], "Is a directory"),
    ],
)
def test_what_cannot_be_fitted(universal, tmp_path, words, said):
    refused(universal("fit", "poly.ticket", *words, "-o", "new.json"), said)
    assert not (tmp_path / "new.json").exists()
    assert not temporary_files(tmp_path)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ((3, 0, "nan"), "line 5: 'a' is nan, wanted a finite number"),
        ((3, 1, "-inf"), "line 5: 'b' is -inf, wanted a finite number"),
        ((3, 2, "NaN"), "line 5: 'y' is NaN, wanted a finite number"),
        ((3, 0, ""), "line 5: 'a' is empty"),
        ((3, 2, ""), "line 5: 'y' is empty"),
        ((3, 0, "Bonn"), "line 5: 'a' is 'Bonn', wanted a number; --columns leaves columns out"),
        ((3, 0, "1e300"), "line 5: 'a' is 1e300, wanted a finite number up to 1e+100"),
        ((3, 2, "-1e300"), "line 5: 'y' is -1e300, wanted a finite number up to 1e+100"),
        ((3, 0, "1,2"), "line 5: 4 cells, and the header has 3"),
        ((3, 2, "Bonn"), "too few"),  # now a class for almost every row
    ],
)
def test_a_cell_that_is_no_number(universal, tmp_path, cell, said):
    table("data.csv", cell=cell)
    refused(universal("fit", "poly.ticket", "data.csv", "-o", "new.json"), said)
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must name two columns or more"),
        ("a\n1\n", "must name two columns or more"),
        ("a,b,y\n", "a header and no rows"),
        ("a,a,y\n1,2,3\n", "need names, each its own"),
        ("a,,y\n1,2,3\n", "need names"),
        ("1,2,3\n1,2,3\n", "must name the columns"),
        ('a,b,y\n"1,2,3\n', "not a readable CSV file"),
        ("a,b,y\n1,2,3\n", "too few rows: 1 of 1"),
        ("a,b,y\n" + "1,2,3.5\n" * 20, "there is nothing to fit"),
        ("a,b,y\n" + "1,2,u\n" * 20 + "1,2,v\n", "class 'v' has one row"),
    ],
)
def test_a_file_that_is_no_table(universal, text, said):
    Path("data.csv").write_text(text)
    refused(universal("fit", "poly.ticket", "data.csv", "-o", "new.json"), said)


def test_a_fit_does_not_replace_what_it_reads(universal, tmp_path):
    table("data.csv")
    for name in ("poly.ticket", "data.csv"):
        before = (tmp_path / name).read_bytes()
        refused(universal("fit", "poly.ticket", "data.csv", "-o", name), f"{name} is what is read")
        assert (tmp_path / name).read_bytes() == before
    refused(universal("fit", "poly.ticket", "data.csv", "-o", "no/new.json"), "does not exist")


def test_a_fit_that_fails_leaves_the_old_read_out(universal, tmp_path):
    before = (tmp_path / "bmi.json").read_bytes()
    table("data.csv", cell=(1, 1, "x"))
    refused(universal("fit", "poly.ticket", "data.csv", "-o", "bmi.json"), "line 3")
    assert (tmp_path / "bmi.json").read_bytes() == before


# evaluate


def test_values_outside_of_the_box_are_moved_into_it_and_counted(universal, tmp_path):
    read_out = load_read_out(tmp_path / "bmi.json")
    low, high = read_out.low, read_out.high
    rows = [low - 1, (low + high) / 2, [low[0], high[1] + 1]]
    Path("far.csv").write_text("s5,bmi,target\n" + "".join(f"{s},{b},{k}\n" for k, (b, s) in enumerate(rows)))
    record = universal("evaluate", "poly.ticket", "bmi.json", "far.csv", "--json").record
    assert (record["rows"], record["values"], record["clipped"]) == (3, 6, 3)
    assert record["largest_difference"] <= record["bound"]


def test_a_read_out_of_another_ticket(universal):
    refused(universal("evaluate", "hat.ticket", "bmi.json", "diabetes"), "bmi.json was fitted on another ticket than")


def test_a_ticket_built_again_is_the_same_ticket(universal):
    assert universal(*POLYNOMIAL, "-o", "again.ticket").code == 0
    assert universal("evaluate", "again.ticket", "bmi.json", "diabetes").code == 0


def test_a_table_without_what_the_read_out_needs(universal):
    table("data.csv", header="bmi,s6,target")
    refused(universal("evaluate", "poly.ticket", "bmi.json", "data.csv"), "no column 's5', the column of bmi.json")
    table("data.csv", header="bmi,s5,y")
    refused(universal("evaluate", "poly.ticket", "bmi.json", "data.csv"), "no column 'target', the target of bmi.json")
    table("data.csv", header="bmi,s5,target", rows=1)
    refused(universal("evaluate", "poly.ticket", "bmi.json", "data.csv"), "has one row")
    table("data.csv", header="bmi,s5,target", cell=(0, 2, "many"))
    refused(universal("evaluate", "poly.ticket", "bmi.json", "data.csv"), "line 2: 'target' is 'many'")
    names = ",".join(f"{name} (cm)" for name in ("sepal length", "sepal width", "petal length", "petal width"))
    Path("data.csv").write_text(f"{names},target\n" + "1,2,3,4,rose\n" * 3)
    refused(
        universal("evaluate", "poly.ticket", "iris.json", "data.csv"), "is a class of iris.json, which are setosa, "
    )


def changed(name, value):
    def change(data):
        data[name] = value

    return change


BROKEN = {
    "another format": (changed("format", "tombola-readout/2"), "this library reads 'tombola-readout/1'"),
    "no format": (lambda data: data.pop("format"), "'format'"),
    "an entry less": (lambda data: data.pop("low"), "'low'"),
    "an entry more": (changed("extra", 1), "does not know: extra"),
    "text for numbers": (changed("intercept", ["1"]), "intercept[0]"),
    "an integer beyond float64": (changed("intercept", [10**400]), "readable"),
    "rows of two lengths": (changed("coefficients", [[1.0], [1.0, 2.0]]), "readable"),
    "too few coefficients": (changed("coefficients", [[1.0, 2.0]]), "2 features"),
    "two outputs": (changed("intercept", [1.0, 2.0]), "coefficients do not fit"),
    "another task": (changed("task", "ranks"), "task is 'ranks'"),
    "classes for numbers": (changed("classes", ["a", "b"]), "classes"),
    "a class twice": (changed("classes", ["a", "a"]), "classes must differ"),
    "a column twice": (changed("columns", ["bmi", "bmi"]), "columns"),
    "a column that is the target": (changed("target", "bmi"), "target is one of its columns"),
    "a column less": (changed("columns", ["bmi"]), "box does not fit"),
    "a box the wrong way round": (lambda data: data.update(low=data["high"], high=data["low"]), "box is empty"),
    "components of other columns": (changed("components", [[1.0]]), "components fit no columns"),
    "another hash": (changed("ticket_sha256", "0" * 64), "another ticket"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_read_out_whose_parts_do_not_fit(universal, tmp_path, name):
    change, said = BROKEN[name]
    data = json.loads((tmp_path / "bmi.json").read_text())
    change(data)
    (tmp_path / "x.json").write_text(json.dumps(data))
    refused(universal("evaluate", "poly.ticket", "x.json", "diabetes"), "x.json", said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"[1, 2]", "an object"),
        (b"\xff\xfe", "it is no text"),
        (b'{"format": "tombola-readout/1", "format": "x"}', "twice"),
        (b'{"format": NaN}', "NaN"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"format": "tombola-readout/1"', "is not JSON"),
    ],
)
def test_a_file_that_is_no_read_out(universal, tmp_path, content, said):
    (tmp_path / "x.json").write_bytes(content)
    refused(universal("evaluate", "poly.ticket", "x.json", "diabetes"), "x.json", said)
    refused(universal("evaluate", "poly.ticket", "poly.ticket", "diabetes"), "it is no text")
    refused(universal("evaluate", "poly.ticket", "missing.json", "diabetes"), "missing.json: No such file")


# help


@pytest.mark.parametrize("verb", ["build", "inspect", "fit", "evaluate"])
def test_the_help_of_a_verb_fits_a_terminal_and_ends_in_an_example(tombola, verb):
    code, out, err = tombola("universal", verb, "--help")
    assert (code, err) == (0, "")
    assert f"Example: tombola universal {verb}" in out.splitlines()[-1]
    assert max(map(len, out.splitlines())) <= 80


def test_help_lists_the_verbs(tombola):
    out = tombola("universal", "--help").out
    assert [verb for verb in ("build", "inspect", "fit", "evaluate") if f"\n  {verb} " not in out] == []
    refused(tombola("universal", "conjure"), "'conjure'")
