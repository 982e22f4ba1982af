import json
import os
import subprocess
import sys

import pytest

from tombola.runs import RunFolder

CONFIGURATION = {"steps": 100, "exclude": ["fc3.weight"]}


def opened(path, configuration=CONFIGURATION):
    with RunFolder.opened(path, configuration) as run:
        return run


def test_the_configuration_stands_in_the_folder_with_its_hash(tmp_path):
    run = opened(tmp_path / "deep" / "run")
    text = json.loads((run.path / "config.json").read_text())
    assert text["configuration"] == CONFIGURATION
    assert text["sha256"] == run.sha256
    assert opened(run.path) == run
    assert opened(tmp_path / "other", dict(reversed(CONFIGURATION.items()))).sha256 == run.sha256


def test_another_configuration_is_named_entry_by_entry(tmp_path):
    opened(tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(ValueError, match="steps is 100 there, 7 here") as caught:
        opened(tmp_path, {**CONFIGURATION, "steps": 7})
    assert "exclude" not in str(caught.value)
    with pytest.raises(ValueError, match="seed is null there, 3 here"):
        opened(tmp_path, {**CONFIGURATION, "seed": 3})
    assert (tmp_path / "config.json").read_bytes() == before


def test_other_versions_are_refused_with_what_to_do(tmp_path, monkeypatch):
    opened(tmp_path)
    monkeypatch.setattr("tombola.runs._run_folder.__version__", "9.9.9")
    with pytest.raises(ValueError, match=r"tombola is .* there, 9\.9\.9 here; install the versions of the run"):
        opened(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"configuration": {}}', None])
def test_a_damaged_configuration_is_said(tmp_path, text):
    opened(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace("100", "200") if text is None else text)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        opened(tmp_path)


def test_files_of_something_else_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"thesis\.tex"):
        opened(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_a_file_in_the_way_is_one_error(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(NotADirectoryError, match="in the way"):
        opened(tmp_path / "run")
    with pytest.raises(OSError, match="run"):
        opened(tmp_path / "run" / "below")


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path, monkeypatch):
    opened(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="cannot be written"):
        opened(tmp_path)


def test_the_second_process_is_turned_away_until_the_first_is_killed(tmp_path):
    script = (
        "import sys, time\n"
        "from tombola.runs import RunFolder\n"
        f"with RunFolder.opened({str(tmp_path)!r}, {CONFIGURATION!r}):\n"
        "    sys.stdout.write('open\\n')\n"
        "    sys.stdout.flush()\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"open\n"
        with pytest.raises(BlockingIOError, match="another process works on this run"):
            opened(tmp_path)
        first.kill()
    assert opened(tmp_path).path == tmp_path


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    level = opened(tmp_path).path / "levels" / "03"
    level.mkdir()
    for left in (tmp_path / ".config.json.0f.part", level / ".level.json.0f.part"):
        left.write_text("half")
    opened(tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    (tmp_path / "config.json").unlink()
    assert opened(tmp_path).path == tmp_path


def test_equal_lines_are_not_written_again(tmp_path):
    with RunFolder.opened(tmp_path, CONFIGURATION) as run:
        run.write("metrics.jsonl", {"b": 1, "a": 2}, {"a": 3})
        before = (tmp_path / "metrics.jsonl").stat()
        run.write("metrics.jsonl", {"a": 2, "b": 1}, {"a": 3})
    assert (tmp_path / "metrics.jsonl").stat().st_ino == before.st_ino
    assert (tmp_path / "metrics.jsonl").read_text() == '{"a":2,"b":1}\n{"a":3}\n'
