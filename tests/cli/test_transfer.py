"""Tickets on other data from the command line, and what is said of them before."""

import json
import shutil

import numpy as np
import pytest

from tombola import data
from tombola.masks import density
from tombola.runs import grid, sweep
from tombola.ticket import load_ticket

STUDY = {"data": "digits", "model": "mlp:64-20-10", "steps": 40, "levels": 5, "factor": 0.6, "batch_size": 32}
STUDY |= {"seed": [0, 1]}
DEEP = {"data": "digits", "model": "resnet-20x0.125", "steps": 1, "densities": [0.5]}
PREDICTED = ["probability", "verdict", "evidence", "cannot_see"]


def negatives(path, classes=10):
    """The digits with inputs turned around, at first one in ten of them."""
    digits = data.load("digits")
    x_train, x_test = (1 - digits.scaling(x).numpy() for x in (digits.x_train, digits.x_test))
    y_train, y_test = (y.numpy() % classes for y in (digits.y_train, digits.y_test))
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two runs on digits, two on their negatives, one of a residual network."""
    folder = tmp_path_factory.mktemp("tickets")
    negatives(folder / "negative.npz")
    negatives(folder / "halves.npz", classes=5)
    for name, study in (
        ("digits", STUDY),
        ("negatives", STUDY | {"data": str(folder / "negative.npz")}),
        ("deep", DEEP),
    ):
        sweep(grid(study), folder / name)
    return folder


@pytest.fixture
def at(tombola, swept, tmp_path):
    """Runs a verb in a folder with copies of the runs."""
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    return tombola


def runs(folder, study=STUDY, **changed):
    return sorted(folder / cell.name for cell in grid(study | changed))


def test_a_ticket_of_a_level_is_trained_beside_random_masks(at, tmp_path):
    run = runs(tmp_path / "digits")[0]
    result = at("transfer", run, "--to", "negative.npz", "--level", "3", "--json")
    assert result.code == 0
    record = result.record
    found = record["runs"][0]
    masks = load_ticket(run / "levels" / "03" / "level.ticket").masks()
    kept = {name: masks[name] for name in ("fc1.weight", "fc2.weight")}
    assert (record["carry"], record["steps"], found["level"]) == ("rewind", 40, 3)
    assert found["density"] == found["random_density"] == pytest.approx(density(kept))
    assert found["native_error"] is None
    assert record["recovery"] is None
    assert 0 < found["error"] < 1
    assert found["error"] != found["random_error"]
    assert "one seed only: no intervals" in record["refusals"]
    assert at("transfer", run, "--to", "negative.npz", "--level", "3", "--json").record == record
    other = at("transfer", run, "--to", "negative.npz", "--level", "3", "--seed", "1", "--json").record
    assert other["runs"][0]["random_error"] != found["random_error"]


def test_what_is_carried_is_what_was_asked_for(at, tmp_path):
    run = runs(tmp_path / "digits")[0]
    shots = {}
    for what in ("masks", "signs", "rewind", "trained"):
        words = ["--to", "digits", "--level", "1", "--steps", "2", "--carry", what]
        shots[what] = at("transfer", run, *words, "--json").record["runs"][0]["zero_shot"]["error"]
    recorded = json.loads((run / "levels" / "01" / "level.json").read_text())["accuracy"]
    assert shots["trained"] == pytest.approx(1 - recorded, abs=0.1)  # trained weights do as well as they did there
    assert shots["trained"] < shots["masks"] - 0.1
    assert shots["trained"] < shots["rewind"]
    assert len(set(shots.values())) == 4


def test_recovery_is_measured_against_native_tickets_of_the_same_density(at, tmp_path):
    words = [*runs(tmp_path / "digits"), "--to", str(tmp_path / "negative.npz")]
    natives = sorted((tmp_path / "negatives").glob("*/levels"))
    for path in natives:
        words += ["--native", path.parent]
    record = at("transfer", *words, "--density", "0.216", "--json").record
    assert [found["level"] for found in record["runs"]] == [3, 3]
    assert list(record["recovery"]) == ["recovery", "gap", "room", "refusals"]
    gap = record["recovery"]["gap"]
    wanted = np.mean([found["error"] - found["native_error"] for found in record["runs"]])
    assert gap["value"] == pytest.approx(wanted)
    assert gap["low"] < gap["value"] < gap["high"]
    out = at("transfer", *words, "--density", "0.216").out
    assert "its own ticket" in out
    assert out.splitlines()[-1].startswith("next: tombola predict-transfer ")


def test_an_output_layer_of_another_size_is_new(at, tmp_path):
    run = runs(tmp_path / "digits")[0]
    record = at("transfer", run, "--to", "halves.npz", "--json").record
    assert record["runs"][0]["redrawn"] == ["fc2.weight", "fc2.bias"]
    assert any("drawn anew for the target" in line for line in record["refusals"])
    same = at("transfer", run, "--to", "digits", "--output", "fc2", "--json").record
    assert same["runs"][0]["redrawn"] == ["fc2.weight", "fc2.bias"]


def test_a_residual_ticket_is_stretched_to_another_depth(at, tmp_path):
    run = runs(tmp_path / "deep", DEEP)[0]
    result = at("transfer", run, "--to", "digits", "--depth", "resnet-32x0.125", "--json")
    assert result.record["depth"] == "resnet-32x0.125"
    assert 0.3 < result.record["runs"][0]["density"] < 0.7
    assert (
        "stages" in at("transfer", runs(tmp_path / "digits")[0], "--to", "digits", "--depth", "mlp:64-9-10").complaint
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "digits", "--level", "9"], "has the levels 0 to 5, not 9"),
        (["--to", "digits", "--density", "0.9"], "has no level of density 0.9; there are 1, 0.6"),
        (["--to", "digits", "--density", "0.6", "--level", "1"], "leave one of them out"),
        (["--to", "digits", "--native", "a", "--native", "b"], "once for each run"),
        (["--to", "nowhere.npz"], "nowhere.npz"),
        (["--to", "digits", "--output", "fc9"], "no layer 'fc9'"),
        (["--to", "digits", "--carry", "all"], "'masks', 'signs', 'rewind', 'trained'"),
    ],
)
def test_what_cannot_be_carried_is_one_line(at, tmp_path, words, said):
    result = at("transfer", runs(tmp_path / "digits")[0], *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint


def test_a_prediction_has_its_evidence_and_what_it_cannot_see(at):
    result = at("predict-transfer", "digits", "negatives", "--json")
    assert (result.code, result.err) == (0, "")
    record = result.record
    assert list(record)[: len(PREDICTED)] == PREDICTED
    assert record["verdict"] in {"transfers", "does not transfer", "undecided"}
    assert record["evidence"]["zero_shot"]["seeds"] == 2
    assert record["evidence"]["sign_alignment"]["is_same_sign"] is False  # of negatives
    assert any("Symmetries" in line for line in record["cannot_see"])
    out = at("predict-transfer", "digits", "negatives").out
    assert record["verdict"] in out.splitlines()[0]
    assert "cannot be seen this way" in out
    assert out.splitlines()[-1].startswith("next: tombola transfer ")


def test_runs_in_one_folder_are_told_apart_by_their_data(at, tmp_path):
    shutil.copytree(tmp_path / "negatives", tmp_path / "digits", dirs_exist_ok=True)
    assert "wanted those of one setting, see --from" in at("predict-transfer", "digits", "negatives").complaint
    words = ["digits", "negatives", "--from", "digits", "--json"]
    assert at("predict-transfer", *words).record["evidence"]["zero_shot"]["seeds"] == 2


def test_data_that_are_gone_leave_the_veto_out(at, tmp_path, swept):
    (swept / "negative.npz").rename(swept / "away.npz")
    try:
        record = at("predict-transfer", "digits", "negatives", "--json").record
    finally:
        (swept / "away.npz").rename(swept / "negative.npz")
    assert record["evidence"]["zero_shot"] is None
    said = " ".join(record["evidence"]["refusals"])
    assert "the data of a task are not at hand" in said
    assert "the veto is left out" in said


def test_networks_of_other_groups_are_undecided_or_worse_and_say_why(at):
    record = at("predict-transfer", "digits", "deep", "--json").record
    assert record["evidence"]["universality"]["verdict"] == "undecided"
    assert any("Architectures" in line for line in record["cannot_see"])
