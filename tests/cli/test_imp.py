import json
import os
import subprocess
import sys

import pytest

from tombola.runs import RunFolder

QUICK = ("imp", "digits", "mlp:64-6-10", "--steps", 20, "--densities", "0.5,0.2", "-o", "run")


def refused(*_, **__):
    raise AssertionError("it was trained")


def test_levels_are_trained_shown_and_kept(tombola, tmp_path):
    result = tombola(*QUICK)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == "mlp:64-6-10 on digits, seed 0"
    assert result.out.splitlines()[1].split() == ["level", "density", "kept", "accuracy", "step"]
    assert [line.split()[:3] for line in result.out.splitlines()[3:6]] == [
        ["0", "1", "444"],
        ["1", "0.5", "222"],
        ["2", "0.2005", "89"],
    ]
    assert result.out.endswith("next: tombola info run/levels/02/level.ticket\n")
    assert tombola("info", "run/levels/02/level.ticket").code == 0
    assert len(list(tmp_path.glob("run/levels/*/weights.safetensors"))) == 3


def test_the_same_command_again_reads_what_is_there(tombola, monkeypatch):
    first = tombola(*QUICK)
    monkeypatch.setattr("tombola.training.Trainer.__call__", refused)
    assert tombola(*QUICK) == first


def test_json_names_the_run_and_says_how_long_it_took(tombola):
    record = tombola(*QUICK, "--json").record
    assert record.keys() == {"run", "levels", "seconds", "seconds_outside_training"}
    assert record["run"] == "run"
    assert {"level", "density", "kept", "accuracy", "step"} <= record["levels"][0].keys()
    assert [level["kept"] for level in record["levels"]] == [444, 222, 89]
    assert 0 < record["seconds_outside_training"] < record["seconds"]
    assert tombola(*QUICK, "--json").record == record


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (["--rewind", 5], [20, 20, 20]),
        (["--reset", "learning-rate", "--retrain", 7], [20, 20, 20]),
        (["--reset", "fine-tuning", "--retrain", 7], [20, 27, 27]),
        (["--by-layer", "--momentum", 0.9, "--batch-size", 64], [20, 20, 20]),
        (["--optimiser", "adam", "--learning-rate", 0.01, "--weight-decay", 0.1, "--rate", "cosine"], [20, 20, 20]),
        (["--rate", "stepwise:0.5,0.75", "--warm-up", 3, "--clip", 1, "--bfloat16", "--threads", 2], [20, 20, 20]),
    ],
)
def test_every_way_back(tombola, words, steps):
    levels = tombola(*QUICK, *words, "--json").record["levels"]
    assert [level["step"] for level in levels] == steps
    assert tombola(*QUICK).code == 2  # it is another configuration


def test_excluded_parameters_stay_dense(tombola):
    levels = tombola(*QUICK, "--exclude", "fc2.weight", "--json").record["levels"]
    assert [level["kept"] for level in levels] == [384, 192, 77]


def test_levels_and_factor(tombola):
    words = ["imp", "digits", "mlp:64-6-10", "--steps", 5, "--levels", 3, "--factor", 0.5, "-o", "run", "--json"]
    assert [level["kept"] for level in tombola(*words).record["levels"]] == [444, 222, 111, 55]


def test_every_level_may_prune_as_many(tombola):
    words = ["imp", "digits", "mlp:64-6-10", "--steps", 5, "--levels", 3, "--linear-to", 0.25, "-o", "run", "--json"]
    assert [level["kept"] for level in tombola(*words).record["levels"]] == [444, 333, 222, 111]


def test_of_several_processes_the_first_one_speaks(tmp_path):
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "tombola"]
    words, environment = [str(word) for word in (*QUICK, "--json")], {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launch, *words], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert [level["kept"] for level in json.loads(done.stdout)["levels"]] == [444, 222, 89]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["configuration"]["processes"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--densities", "0.2,0.5"], "must fall"),
        (["--densities", "0.5,half"], "0.5,0.2,0.1"),
        (["--levels", 3], "leave --levels, --factor"),
        (["--rewind", 20], "beyond the run"),
        (["--retrain", 3], "retrain"),
        (["--reset", "fine-tuning", "--rewind", 3], "rewind point"),
        (["--exclude", "fc7.weight"], "fc7.weight"),
        (["--learning-rate", -1], "learning rate"),
        (["--momentum", 1], "momentum"),
        (["--seed", -1], "seed"),
        (["--steps", 0], "--steps"),
        (["--reset", "hope"], "'weights', 'learning-rate', 'fine-tuning'"),
        (["--linear-to", 0.1], "--linear-to out"),
        (["--optimiser", "lion"], "'sgd', 'adam'"),
        (["--optimiser", "adam", "--momentum", 0.5], "leave momentum out"),
        (["--weight-decay", -1], "weight_decay"),
        (["--rate", "zigzag"], "stepwise:0.5,0.75"),
        (["--rate", "stepwise:2"], "(0, 1)"),
        (["--rate", "stepwise:0.75,0.5"], "ascend"),
        (["--clip", 0], "clip"),
        (["--threads", 0], "--threads"),
    ],
)
def test_a_command_line_that_makes_no_sense_leaves_nothing_behind(tombola, tmp_path, words, said):
    result = tombola(*QUICK, *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "model", "said"),
    [
        ("digitz", "mlp:64-10", "digits"),
        ("digits", "mlp:63-10", "63 inputs"),
        ("digits", "mlp:64-9", "9 outputs"),
        ("digits", "lenet", "lenet-300-100"),
    ],
)
def test_data_and_model_have_to_fit(tombola, tmp_path, data, model, said):
    result = tombola("imp", data, model, "-o", "run")
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_no_number_is_a_failure_that_names_its_place(tombola, tmp_path):
    result = tombola(*QUICK, "--learning-rate", 1e30)
    assert (result.code, result.out) == (1, "")
    assert "level 0: the loss is not finite by step" in result.complaint
    assert not list(tmp_path.glob("run/levels/*"))


def test_a_folder_of_another_configuration_is_refused_entry_by_entry(tombola, tmp_path):
    assert tombola(*QUICK).code == 0
    before = (tmp_path / "run" / "result.json").read_bytes()
    result = tombola(*QUICK, "--seed", 4)
    assert result.code == 2
    assert "seed is 0 there, 4 here" in result.complaint
    assert (tmp_path / "run" / "result.json").read_bytes() == before


def test_a_folder_that_cannot_be_used_is_found_out_before_training(tombola, tmp_path, monkeypatch):
    monkeypatch.setattr("tombola.training.Trainer.__call__", refused)
    (tmp_path / "run").write_text("")
    result = tombola(*QUICK)
    assert (result.code, result.complaint) == (2, "tombola: run: is in the way: not a folder\n")
    (tmp_path / "run").unlink()
    (tmp_path / "run").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: mode == os.R_OK)
    result = tombola(*QUICK)
    assert (result.code, result.complaint) == (2, "tombola: run: the folder cannot be written\n")


def test_two_commands_at_once_are_one_too_many(tombola, tmp_path):
    assert tombola(*QUICK).code == 0
    configuration = json.loads((tmp_path / "run" / "config.json").read_text())["configuration"]
    with RunFolder.opened(tmp_path / "run", configuration):
        result = tombola(*QUICK)
    assert result.code == 2
    assert "another process works on this run" in result.complaint
    assert tombola(*QUICK).code == 0


def test_a_level_that_is_lost_is_trained_again(tombola, tmp_path):
    first = tombola(*QUICK, "--json").record
    ticket = tmp_path / "run" / "levels" / "02" / "level.ticket"
    before = ticket.read_bytes()
    ticket.write_bytes(before[:-4])
    again = tombola(*QUICK, "--json").record
    assert ticket.read_bytes() == before
    assert [level["accuracy"] for level in again["levels"]] == [level["accuracy"] for level in first["levels"]]
