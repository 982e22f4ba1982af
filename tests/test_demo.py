import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout

import pytest
from tests.conftest import global_state

from tombola.cli import _demo, main
from tombola.cli._second_process import SecondProcess

MODEL = "mlp:64-6-10"


def ran(*words):
    """The exit code of the demo."""
    with pytest.raises(SystemExit) as stopped:
        main(["demo", *map(str, words)])
    return stopped.value.code


@pytest.fixture(scope="module", autouse=True)
def small():
    """The demo with a network that is quickly built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_demo, "MODEL", MODEL)
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the demo left its files, and `demo.json`: what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    before = global_state()
    with redirect_stdout(io.StringIO()) as printed:
        assert ran("--folder", folder, "--json") == 0
    assert global_state() == before
    (folder / "demo.json").write_text(printed.getvalue())
    return folder


@pytest.fixture(scope="module")
def second():
    """A second process, started once."""
    with SecondProcess() as second:
        yield second


def test_the_demo_trains_builds_twice_and_verifies_from_the_files(folder):
    record = json.loads((folder / "demo.json").read_text())
    assert record.keys() == {"folder", "seconds", "two-layer", "one-extra"}
    for name, depth in (("two-layer", 4), ("one-extra", 3)):
        column = record[name]
        assert (column["construction"], column["depth"], column["seed"]) == (name, depth, 7)
        assert column["ok"]
        assert all(column["checks"].values())
        assert column["failures"] == 0
        assert column["certificate"]["set"] == "[0, 1]^64"
        assert 0 < column["attack_error"] <= column["certificate"]["bound"]
        assert column["accuracy_target"] > 0.8
        assert abs(column["accuracy_ticket"] - column["accuracy_target"]) < 0.05
        assert column["ticket_bytes"] == os.path.getsize(column["ticket"])
    assert {path.name for path in folder.iterdir()} == {
        *("demo-one-extra.ticket", "demo-two-layer.ticket", "demo.safetensors", "demo.json")
    }


def test_the_table_has_every_figure_for_both(tmp_path, capsys):
    figures = {
        "depth": 4,
        "accuracy_target": 0.5,
        "accuracy_ticket": 0.25,
        "agreement": 0.75,
        "failures": 17,
        "certificate": {"set": "[0, 1]^64", "bound": 1.25},
        "attack_error": 0.125,
        "kept_per_weight": 1.875,
        "source_parameters": 12345,
        "parent_over_bound": 4.5,
        "ticket_bytes": 6789,
        "seconds": 3.25,
        "ok": True,
        "ticket": "x.ticket",
    }
    _demo._print(tmp_path, {"two-layer": figures, "one-extra": {**figures, "ok": False}}, 7.5, False)
    out = capsys.readouterr().out
    for shown in ("50.00%", "25.00%", "75.00%", "17", "1.25", "0.125", "1.875", "12,345", "4.5", "6.8 kB", "3.25"):
        assert out.count(f" {shown} ") + out.count(f" {shown}\n") == 2, shown
    assert "output error on [0, 1]^64, proved" in out
    assert "no weight trained" in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.endswith("next: tombola explain x.ticket --weight 'fc2[3,17]'\n")


def test_the_second_process_fails_a_ticket_for_another_target(folder, tmp_path, second, capsys):
    other = tmp_path / "other.safetensors"
    with pytest.raises(SystemExit):
        main(["train", "digits", MODEL, "--seed", "9", "--epochs", "1", "-o", str(other)])
    ticket = folder / "demo-two-layer.ticket"
    second.ask(ticket, other)
    second.ask(ticket, folder / "demo.safetensors")
    first, then = second.answer(), second.answer()
    assert not first["ok"]
    assert not first["checks"]["target"]
    assert then["ok"]


def test_the_second_process_says_what_it_could_not_read_and_goes_on(tmp_path, second):
    (tmp_path / "x.ticket").write_text("nothing")
    for _ in range(2):
        second.ask(tmp_path / "x.ticket", tmp_path / "x.safetensors")
        with pytest.raises(ValueError, match=r"could not verify .*x\.ticket: .*not a readable ticket"):
            second.answer()


def test_a_second_process_that_ends_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("tombola.cli._second_process.COMMAND", [sys.executable, "-c", "pass"])
    with SecondProcess() as second:
        second._process.wait()
        second.ask(tmp_path / "x.ticket", tmp_path / "x.safetensors")
        with pytest.raises(ValueError, match="the process ended"):
            second.answer()


def test_the_second_process_ends_with_the_work():
    with pytest.raises(KeyError), SecondProcess() as second:
        raise KeyError
    assert second._process.returncode is not None


def test_a_failed_check_is_the_exit_code_of_the_demo(folder, tmp_path, capsys, monkeypatch):
    columns = json.loads((folder / "demo.json").read_text())
    monkeypatch.setattr(_demo, "_trained", lambda path: None)
    monkeypatch.setattr(_demo, "_built", lambda saved, where, depth: columns[depth.value])
    for ok in (True, False):
        monkeypatch.setattr(SecondProcess, "answer", lambda self, ok=ok: {"ok": ok})
        assert ran("--folder", tmp_path, "--json") == int(not ok)


def test_python_m_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "tombola", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("tombola ")
