"""Folders of runs on the command line: listed, compared, removed."""

import json
import os
import shutil

import pytest
import torch

from tombola.cli._runs_list import COLUMNS
from tombola.runs import RunFolder, grid, sweep

STUDY = {"data": "digits", "model": "mlp:64-6-10", "steps": 20, "densities": [0.5, 0.2], "method": ["imp", "random"]}
IMP, RANDOM = (cell.name for cell in grid(STUDY))


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A folder with a sweep of two runs."""
    folder = tmp_path_factory.mktemp("swept")
    sweep(grid(STUDY), folder / "study")
    return folder


@pytest.fixture
def runs(tombola, swept, tmp_path):
    """Runs `tombola runs` in a folder with a copy of the sweep."""
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    return lambda *words: tombola("runs", *words)


def configuration(run):
    return json.loads((run / "config.json").read_text())["configuration"]


def test_list_says_what_there_is_and_how_far(runs, tmp_path):
    result = runs("list")
    assert (result.code, result.err) == (0, "")
    rows = result.out.splitlines()
    assert rows[0] == "2 runs in ."
    assert rows[1].split() == list(COLUMNS)
    found = {row.split()[0]: row.split() for row in rows[3:-1]}
    assert found[f"study/{IMP}"][1:9] == ["imp", "digits", "mlp:64-6-10", "0", "3", "of", "3", "0.2005"]
    assert found[f"study/{RANDOM}"][1] == "random"
    assert {row[-1] for row in found.values()} == {"finished"}
    assert rows[-1].startswith("next: tombola runs compare study/")


def test_json_has_the_figures_of_the_runs(runs, tmp_path):
    found = {run["run"]: run for run in runs("list", "study", "--json").record["runs"]}
    levels = [json.loads(line) for line in (tmp_path / "study" / IMP / "metrics.jsonl").read_text().splitlines()]
    assert found[f"study/{IMP}"] == {
        "run": f"study/{IMP}",
        "method": "imp",
        "data": "digits",
        "model": "mlp:64-6-10",
        "seed": 0,
        "levels": 3,
        "of": 3,
        "density": levels[-1]["density"],
        "best_accuracy": max(level["accuracy"] for level in levels),
        "last_accuracy": levels[-1]["accuracy"],
        "seconds": pytest.approx(sum(level["seconds"] for level in levels)),
        "state": "finished",
    }


def test_every_state_is_told_apart(runs, tmp_path):
    first, second = (tmp_path / "study" / name for name in (IMP, RANDOM))
    (first / "result.json").unlink()
    (first / "metrics.jsonl").write_text((first / "metrics.jsonl").read_text().splitlines(keepends=True)[0])
    with RunFolder.opened(second, configuration(second)):
        found = {run["run"]: run for run in runs("list", "--json").record["runs"]}
    assert (found[f"study/{IMP}"]["state"], found[f"study/{IMP}"]["levels"]) == ("unfinished", 1)
    assert found[f"study/{RANDOM}"]["state"] == "locked"
    (second / "config.json").write_text("{")
    (first / "metrics.jsonl").write_text("{")
    found = {run["run"]: run for run in runs("list", "--json").record["runs"]}
    assert (found[f"study/{RANDOM}"]["state"], found[f"study/{RANDOM}"]["model"]) == ("damaged", None)
    assert (found[f"study/{IMP}"]["levels"], found[f"study/{IMP}"]["last_accuracy"]) == (0, None)
    assert runs("list").code == 0


def test_a_run_with_levels_and_a_factor_says_how_many_there_will_be(tombola):
    words = ["imp", "digits", "mlp:64-6-10", "--steps", 5, "--levels", 2, "--reset", "fine-tuning", "-o", "run"]
    assert tombola(*words).code == 0
    (run,) = tombola("runs", "list", "--json").record["runs"]
    assert (run["method"], run["levels"], run["of"]) == ("fine-tuning", 3, 3)


def test_a_folder_without_runs_is_said(tombola, tmp_path):
    result = tombola("runs", "list")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("0 runs in .")
    assert tombola("runs", "list", "nowhere").complaint == "tombola: nowhere: there is no such folder\n"


def test_compare_shows_settings_that_differ_and_levels_by_density(runs, tmp_path):
    first, second = f"study/{IMP}", f"study/{RANDOM}"
    result = runs("compare", first, second)
    assert (result.code, result.err) == (0, "")
    above, _, below = result.out.partition("accuracy by density\n")
    assert above.splitlines()[0] == "settings that differ"
    assert above.splitlines()[3].split() == ["method", "imp", "random"]
    assert len(above.splitlines()) == 4
    assert [row.split()[0] for row in below.splitlines()[2:]] == ["1", "0.5", "0.2005"]
    record = runs("compare", first, second, "--json").record
    assert record["settings"] == {"method": ["imp", "random"]}
    levels = [json.loads(line) for line in (tmp_path / second / "metrics.jsonl").read_text().splitlines()]
    assert [level["accuracy"][1] for level in record["levels"]] == [level["accuracy"] for level in levels]


def test_densities_that_only_one_run_has_are_empty_for_the_other(runs, tombola):
    words = ["imp", "digits", "mlp:64-6-10", "--steps", 20, "--densities", "0.5,0.1", "-o", "third"]
    assert tombola(*words).code == 0
    record = runs("compare", f"study/{IMP}", "third", "--json").record
    assert record["settings"]["densities"] == [[0.5, 0.2], [0.5, 0.1]]
    assert [[accuracy is None for accuracy in level["accuracy"]] for level in record["levels"]] == [
        [False, False],
        [False, False],
        [False, True],
        [True, False],
    ]
    assert record["levels"][0]["accuracy"][0] == record["levels"][0]["accuracy"][1]
    assert runs("compare", f"study/{IMP}", "third").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["compare", f"study/{IMP}"], "at least two different runs"),
        (["compare", f"study/{IMP}", f"study/{IMP}"], "at least two different runs"),
        (["compare", f"study/{IMP}", "study"], "study is no run"),
        (["compare", f"study/{IMP}", "nowhere"], "nowhere is no run"),
        (["compare"], "RUN"),
        (["remove"], "RUN"),
        (["remove", "study", "--yes"], "study is no run"),
        (["remove", "nowhere", "--yes"], "nowhere is no run"),
        (["remove", f"study/{IMP}", "study", "--yes"], "study is no run"),
        (["remove", f"study/{IMP}"], "add --yes"),
        (["drop"], "'drop'"),
    ],
)
def test_what_makes_no_sense_changes_nothing(runs, tmp_path, words, said):
    before = sorted(tmp_path.rglob("*"))
    result = runs(*words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert sorted(tmp_path.rglob("*")) == before


def test_remove_removes_what_is_named_and_nothing_else(runs, tmp_path):
    size = sum(path.stat().st_size for path in (tmp_path / "study" / IMP).rglob("*") if path.is_file())
    result = runs("remove", f"study/{IMP}", f"study/{IMP}/", "--yes", "--json")
    assert result.record == {"removed": [f"study/{IMP}"], "bytes": size}
    assert sorted(os.listdir(tmp_path / "study")) == sorted([RANDOM, "lock", "results.jsonl", "sweep.json"])
    result = runs("remove", f"study/{RANDOM}", "--yes")
    assert result.out.splitlines()[0] == "removed"
    assert not (tmp_path / "study" / RANDOM).exists()


def test_a_run_in_which_a_process_works_is_not_removed_and_neither_are_the_others(runs, tmp_path):
    first, second = (tmp_path / "study" / name for name in (IMP, RANDOM))
    with RunFolder.opened(second, configuration(second)):
        result = runs("remove", f"study/{IMP}", f"study/{RANDOM}", "--yes")
    assert result.code == 2
    assert "another process works on this run" in result.complaint
    assert (first / "config.json").exists()
    assert (second / "config.json").exists()


def test_a_symbolic_link_is_not_removed(runs, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "study" / IMP, target_is_directory=True)
    result = runs("remove", "link", "--yes")
    assert result.code == 2
    assert "symbolic link" in result.complaint
    assert (tmp_path / "study" / IMP / "config.json").exists()


@pytest.mark.parametrize(("answer", "gone"), [(True, True), (False, False)])
def test_on_a_terminal_it_asks(runs, tmp_path, monkeypatch, answer, gone):
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, err: asked.append((text, err)) or answer)
    result = runs("remove", f"study/{IMP}")
    assert asked == [("remove for good?", True)]
    assert result.code == 0
    assert (tmp_path / "study" / IMP).exists() is not gone


def test_a_removed_run_of_a_sweep_is_run_again(runs, tmp_path):
    before = (tmp_path / "study" / IMP / "levels" / "02" / "level.ticket").read_bytes()
    assert runs("remove", f"study/{IMP}", "--yes").code == 0
    done = sweep(grid(STUDY), tmp_path / "study")
    assert [result.is_new for result in done.results] == [True, False]
    assert (tmp_path / "study" / IMP / "levels" / "02" / "level.ticket").read_bytes() == before


def test_a_run_of_ones_own_training_loop_is_listed_too(tombola, tmp_path):
    from tombola import imp, models, schedules, training
    from tombola.data import load
    from tombola.runs import Task, run_levels

    digits, net = load("digits"), models.build("mlp:64-6-10", generator=torch.Generator().manual_seed(0))
    task = Task(net, training.Trainer(digits, 5), lambda model: training.evaluate(model, *digits.test()))
    halved = schedules.given([0.5])
    run_levels(
        tmp_path / "own",
        {"rate": 0.1},
        task,
        lambda train, done: imp.imp(net, train, stop=5, schedule=halved, after=done.last),
    )
    (run,) = tombola("runs", "list", "--json").record["runs"]
    assert (run["run"], run["state"], run["levels"], run["of"], run["data"]) == ("own", "finished", 2, None, None)
    assert tombola("runs", "list").code == 0
