"""Sweeps on the command line."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from tests.cli.test_page import without_figures

from tombola.runs import RunFolder

STUDY = "data: digits\nmodel: mlp:64-6-10\nsteps: 20\ndensities: [0.5, 0.2]\nseed: [0, 1]\nmethod: [imp, random]\n"
QUICK = ("sweep", "study.yaml", "-o", "study")


@pytest.fixture
def study(tombola, tmp_path):
    """Runs the command line in a folder with a study of four cells; `change` replaces part of its text."""

    def ran(*words, change=("", "")):
        (tmp_path / "study.yaml").write_text(STUDY.replace(*change))
        return tombola(*words)

    return ran


def refused(*_, **__):
    raise AssertionError("it was trained")


def test_cells_are_run_and_summed_up_over_seeds(study, tmp_path, monkeypatch):
    result = study(*QUICK)
    assert result.code == 0
    rows = result.out.splitlines()
    assert rows[0] == "study: 4 cells, 4 run now; accuracy with its 95 % interval over seeds"
    assert rows[1].split() == ["method", "density", "seeds", "accuracy", "multiply-adds"]
    assert [row.split()[:3] for row in rows[3:-1]] == [
        [method, density, "2"] for method in ("imp", "random") for density in ("1", "0.5", "0.2005")
    ]
    assert all("±" in row for row in rows[3:-1])
    adds = 64 * 6 + 6 * 10
    assert [float(row.split()[-1].replace(",", "")) for row in rows[3:-1]] == [adds, adds * 0.5, 89] * 2
    assert rows[-1] == "next: tombola runs list study"
    assert len((tmp_path / "study" / "results.jsonl").read_text().splitlines()) == 12
    monkeypatch.setattr("tombola.training.Trainer.__call__", refused)
    again = study(*QUICK)
    assert again.code == 0
    assert again.out == result.out.replace("4 run now", "0 run now")


def test_json_holds_cells_and_summary(study):
    record = study(*QUICK, "--json", change=("[imp, random]", "one-shot")).record
    assert record.keys() == {"sweep", "study", "cells", "run_now", "summary", "failed"}
    assert (record["sweep"], record["study"], record["run_now"], record["failed"]) == ("study", "study", 2, [])
    assert [cell["settings"]["seed"] for cell in record["cells"]] == [0, 1]
    assert [(level["seeds"], level["level"]) for level in record["summary"]] == [(2, 0), (2, 1), (2, 2)]
    assert all(level["interval"] >= 0 for level in record["summary"])


def test_a_dry_run_lists_the_cells_and_does_nothing(study, tmp_path, monkeypatch):
    monkeypatch.setattr("tombola.training.Trainer.__call__", refused)
    result = study("sweep", "study.yaml", "--dry-run", change=("steps: 20", "steps: [20, 30]"))
    assert (result.code, result.err) == (0, "")
    rows = result.out.splitlines()
    assert rows[0] == "study: 8 cells; nothing was run"
    assert rows[1].split() == ["cell", "method", "data", "model", "seed", "steps"]
    assert rows[3].split()[1:] == ["imp", "digits", "mlp:64-6-10", "0", "20"]
    record = study("sweep", "study.yaml", "--dry-run", "--json").record
    assert [cell["method"] for cell in record["cells"]] == ["imp", "random"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_settings_that_differ_are_columns(study):
    result = study(*QUICK, change=("method: [imp, random]", "learning_rate: [0.1, 0.2]"))
    assert result.out.splitlines()[1].split() == [
        *["method", "learning_rate", "density", "seeds", "accuracy", "multiply-adds"]
    ]


def test_failed_cells_are_listed_and_the_exit_code_says_so(study):
    change = ("steps: 20", "steps: 20\nlearning_rate: [0.1, 1.0e+30]")
    result = study(*QUICK, change=change)
    assert result.code == 1
    assert result.err.endswith("tombola: 4 of 8 cells failed; the same command tries them again\n")
    below = result.out.partition("\nfailed\n")[2].splitlines()
    assert below[0].split() == ["cell", "method", "data", "model", "seed", "reason"]
    assert len(below) == 2 + 4 + 1
    assert all("level 0: the loss is not finite" in row for row in below[2:-1])
    record = study(*QUICK, "--json", change=change)
    assert record.code == 1
    assert [failure["method"] for failure in record.record["failed"]] == ["imp", "random"] * 2
    assert record.record["failed"][0]["reason"].startswith("level 0: the loss")


def test_what_is_listed_twice_is_said_once_and_run_once(study):
    result = study("sweep", "study.yaml", "--dry-run", change=("[0, 1]", "[0, 0, 0]"))
    assert result.err.splitlines() == [
        f"note: listed more than once, run once: {method}, mlp:64-6-10 on digits, seed 0"
        for method in ("imp", "random")
    ]
    assert result.out.startswith("study: 2 cells; ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[imp, random]", "imq"), "unknown method 'imq'; did you mean 'imp'?"),
        (("digits", "digit"), "unknown data set 'digit'; did you mean 'digits'?"),
        (("steps", "step"), "unknown setting 'step'; did you mean 'steps'?"),
        (("[0, 1]", "[]"), "there is nothing to run"),
        (("[0.5, 0.2]", "[0.2, 0.5]"), "must fall"),
        (("[0.5, 0.2]", "0.5"), "write densities: [0.5]"),
        ((STUDY, "- imp"), "a study is a mapping"),
        (("digits", "!!python/object/apply:os.getcwd []"), "is not plain YAML"),
    ],
)
def test_a_study_that_makes_no_sense_leaves_nothing_behind(study, tmp_path, change, said):
    result = study(*QUICK, change=change)
    assert (result.code, result.out) == (2, "")
    assert result.complaint.startswith("tombola: study.yaml")
    assert said in result.complaint
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sweep", "study.yaml"], "name the folder for the runs with -o"),
        (["sweep", "none.yaml", "-o", "study"], "none.yaml: No such file"),
        ([*QUICK, "--engine", "threads"], "'in-process', 'processes', 'ray'"),
        ([*QUICK, "--workers", 2], "--workers goes with --engine processes or ray"),
        ([*QUICK, "--workers", 0], "--workers"),
        ([*QUICK, "--engine", "processes", "--ray-address", "auto"], "--ray-address goes with --engine ray"),
        ([*QUICK, "--engine", "ray", "--ray-address", "auto", "--workers", 2], "for a cluster that is started here"),
        ([*QUICK, "--threads", 0], "--threads"),
        (["sweep", "study.yaml", "-o", "study.yaml"], "in the way: not a folder"),
        (["sweep", "study.yaml", "-o", "."], "holds other files, such as study.yaml, and no sweep"),
    ],
)
def test_a_command_line_that_makes_no_sense_leaves_nothing_behind(study, tmp_path, words, said):
    result = study(*words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_without_ray_the_error_says_what_to_install(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = study(*QUICK, "--engine", "ray")
    assert result.code == 2
    assert "pip install 'tombola[ray]'" in result.complaint


def test_every_option_of_the_engines_reaches_them():
    from tombola.cli._sweep_options import SweepEngine, engine_of
    from tombola.engines import Processes, Ray, in_process

    assert engine_of(SweepEngine.IN_PROCESS, None, None, 2) is in_process
    assert engine_of(SweepEngine.PROCESSES, None, 3, 2) == Processes(3)
    assert engine_of(SweepEngine.RAY, "auto", None, 2) == Ray("auto")
    assert engine_of(SweepEngine.RAY, None, 3, 2) == Ray(cpus=6)


def test_two_commands_at_once_are_one_too_many(study, tmp_path):
    assert study(*QUICK, change=("[imp, random]", "imp")).code == 0
    import fcntl

    with open(tmp_path / "study" / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = study(*QUICK)
    assert result.code == 2
    assert "another process works on this sweep" in result.complaint


def test_a_factory_in_the_current_folder_is_found(study, tmp_path):
    (tmp_path / "swept_nets.py").write_text(
        "from torch import nn\ndef small():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    assert study(*QUICK, change=("mlp:64-6-10", "swept_nets:small")).code == 0


def test_a_cell_that_another_command_has_is_a_failed_cell(study, tmp_path):
    assert study(*QUICK, change=("[imp, random]", "imp")).code == 0
    (name, _) = json.loads((tmp_path / "study" / "sweep.json").read_text())["cells"]
    (tmp_path / "study" / name / "result.json").unlink()
    configuration = json.loads((tmp_path / "study" / name / "config.json").read_text())["configuration"]
    with RunFolder.opened(tmp_path / "study" / name, configuration):
        result = study(*QUICK, "--json", change=("[imp, random]", "imp"))
    assert result.code == 1
    assert "another process works on this run" in result.record["failed"][0]["reason"]


def test_the_pages_show_what_their_studies_print(tombola, tmp_path):
    docs = Path(__file__).parents[2] / "docs"
    pages = ((docs / "sweeps.md").read_text(), (docs / "cli.md").read_text().partition("## Sweeps\n")[2])
    commands = []
    for page in pages:
        (tmp_path / "study.yaml").write_text(re.search(r"```yaml.*\n([^`]*)```", page).group(1))
        (block,) = re.findall(r"```text\n(\$ tombola sweep.*?)```", page, re.DOTALL)
        for part in block.split("$ ")[1:]:
            command, _, shown = part.partition("\n")
            commands.append(command)
            result = tombola(*shlex.split(command)[1:])
            assert result.code == 0
            assert without_names(result.out) == without_names(shown)
    assert len(commands) == 3


def without_names(text):
    return without_figures(re.sub(r"^  [0-9a-f]{12}  ", "  CELL  ", text, flags=re.MULTILINE))
