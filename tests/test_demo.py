import json
import os
import subprocess
import sys

import pytest

from tombola.cli import _demo, main
from tombola.cli._second_process import SecondProcess

MODEL = "mlp:64-6-10"


@pytest.fixture
def small(monkeypatch, tmp_path):
    """The demo with a network that is quickly built."""
    monkeypatch.setattr(_demo, "MODEL", MODEL)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    return tmp_path / "demo"


def ran(capsys, *words):
    with pytest.raises(SystemExit) as stopped:
        main(["demo", *map(str, words)])
    return stopped.value.code, capsys.readouterr().out


@pytest.mark.usefixtures("untouched")
def test_the_demo_trains_builds_twice_and_verifies_from_the_files(small, capsys):
    code, out = ran(capsys, "--folder", small, "--json")
    assert code == 0
    record = json.loads(out)
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
    assert sorted(os.listdir(small)) == ["demo-one-extra.ticket", "demo-two-layer.ticket", "demo.safetensors"]


def test_the_table_has_every_figure_for_both(small, capsys, monkeypatch):
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
    _demo._print(small, {"two-layer": figures, "one-extra": {**figures, "ok": False}}, 7.5, False)
    out = capsys.readouterr().out
    for shown in ("50.00%", "25.00%", "75.00%", "17", "1.25", "0.125", "1.875", "12,345", "4.5", "6.8 kB", "3.25"):
        assert out.count(f" {shown} ") + out.count(f" {shown}\n") == 2, shown
    assert "output error on [0, 1]^64, proved" in out
    assert "no weight trained" in out
    assert max(map(len, out.splitlines())) <= 80
    assert out.endswith("next: tombola explain x.ticket --weight 'fc2[3,17]'\n")


def test_the_second_process_fails_a_ticket_for_another_target(tmp_path, capsys, small):
    assert ran(capsys, "--folder", small)[0] == 0
    other = tmp_path / "other.safetensors"
    with pytest.raises(SystemExit):
        main(["train", "digits", MODEL, "--seed", "9", "--epochs", "1", "-o", str(other)])
    ticket = small / "demo-two-layer.ticket"
    with SecondProcess() as second:
        second.ask(ticket, other)
        second.ask(ticket, small / "demo.safetensors")
        first, then = second.answer(), second.answer()
    assert not first["ok"]
    assert not first["checks"]["target"]
    assert then["ok"]


def test_the_second_process_says_what_it_could_not_read(tmp_path):
    (tmp_path / "x.ticket").write_text("nothing")
    with SecondProcess() as second:
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


def test_the_second_process_ends_with_the_work(tmp_path):
    with pytest.raises(KeyError), SecondProcess() as second:
        raise KeyError
    assert second._process.returncode is not None


def test_a_failed_check_is_the_exit_code_of_the_demo(small, capsys, monkeypatch):
    monkeypatch.setattr(SecondProcess, "answer", lambda self: {**dict.fromkeys(NEEDED, 0.0), "ok": False})
    assert ran(capsys, "--folder", small, "--json")[0] == 1


NEEDED = ("accuracy_target", "accuracy_ticket", "agreement", "attack_error")


def test_python_m_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "tombola", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("tombola ")
