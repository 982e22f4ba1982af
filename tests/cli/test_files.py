"""Files that are no tickets, and work that is cut short: the old file stays, and one line says what happened."""

import os
import resource
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from tests.cli.conftest import Result, temporary_files

VERBS = [("info",), ("verify",), ("explain", "--weight", "fc1[0,0]"), ("compare", "two.ticket")]


def flipped(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


BROKEN = {
    "empty": lambda data: b"",
    "seven bytes": lambda data: data[:7],
    "cut in the header": lambda data: data[:100],
    "cut in the masks": lambda data: data[:-10],
    "longer": lambda data: data + b"x",
    "a bit of the header's length": lambda data: flipped(data, 0),
    "a bit of the header": lambda data: flipped(data, 200),
    "a bit of the masks": lambda data: flipped(data, len(data) - 100),
    "a header of a terabyte": lambda data: (1 << 40).to_bytes(8, "little") + data[8:],
    "text": lambda data: b"to be or not to be\n" * 100,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_no_intact_ticket(made, tmp_path, name):
    (tmp_path / "x.ticket").write_bytes(BROKEN[name]((tmp_path / "two.ticket").read_bytes()))
    for verb, *words in VERBS:
        result = made(verb, "x.ticket", *words)
        assert (result.code, result.out) == (2, "")
        assert result.complaint.startswith("tombola: x.ticket: ")


@pytest.mark.parametrize("verb", [verb for verb, *_ in VERBS])
def test_a_model_or_a_folder_or_nothing_is_no_ticket(made, verb):
    words = dict((verb, rest) for verb, *rest in VERBS)[verb]
    assert "not a" in made(verb, "net.safetensors", *words).complaint
    assert "Is a directory" in made(verb, ".", *words).complaint
    assert "No such file or directory" in made(verb, "missing.ticket", *words).complaint


@pytest.mark.parametrize("name", ["empty", "cut in the header", "cut in the masks", "text"])
def test_a_file_that_is_no_intact_model(made, tmp_path, name):
    (tmp_path / "bad.safetensors").write_bytes(BROKEN[name]((tmp_path / "net.safetensors").read_bytes()))
    for words in (
        ["construct", "bad.safetensors", "-o", "x.ticket"],
        ["verify", "two.ticket", "--target", "bad.safetensors"],
    ):
        result = made(*words)
        assert (result.code, result.out) == (2, "")
        assert "bad.safetensors" in result.complaint
    assert not (tmp_path / "x.ticket").exists()


def test_nothing_in_a_file_is_executed(made, tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    torch.save({"fc1.weight": Trap()}, tmp_path / "trap.pt")
    result = made("construct", "trap.pt", "--model", "mlp:3-2", "-o", "x.ticket")
    assert result.code == 2
    assert "tensors" in result.complaint
    assert not (tmp_path / "sprung").exists()


def started(folder, *words, **options):
    """The command line in a process of its own, running; with files limited it would leave broken bytecode (-B)."""
    return subprocess.Popen(
        [sys.executable, "-B", "-m", "tombola", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.usefixtures("made")
def test_a_full_disk_leaves_the_old_ticket(tmp_path):
    before = (tmp_path / "two.ticket").read_bytes()
    process = started(
        tmp_path,
        *("construct", "net.safetensors", "-o", "two.ticket", "--seed", "8"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)),
    )
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (2, "")
    assert "could not write it" in Result(2, out, err.splitlines(keepends=True)[-1]).complaint
    assert (tmp_path / "two.ticket").read_bytes() == before
    assert not temporary_files(tmp_path)


@pytest.mark.usefixtures("made")
def test_ctrl_c_leaves_the_old_ticket(tmp_path):
    sizes, draw = (600, 400, 300), torch.Generator().manual_seed(0)
    state = {f"{k}.weight": torch.randn(sizes[k + 1], sizes[k], generator=draw) for k in range(2)}
    save_file(state, tmp_path / "large.safetensors")
    before = (tmp_path / "two.ticket").read_bytes()
    process = started(
        tmp_path,
        *("construct", "large.safetensors", "--model", "mlp:600-400-300", "-o", "two.ticket"),
        *("--depth", "one-extra", "--weight-epsilon", "0.001"),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # whoever runs the tests may ignore it
    )
    assert process.stderr is not None
    first = process.stderr.readline()  # it is at work
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert first.startswith("constructing: ")
    assert (process.returncode, out) == (130, "")
    last = err.splitlines(keepends=True)[-1]
    assert Result(130, out, last).complaint == "tombola: stopped; files are as they were\n"
    assert "Traceback" not in err
    assert (tmp_path / "two.ticket").read_bytes() == before
    assert not temporary_files(tmp_path)
