import json
import shutil
import sys
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import save_file

from tombola.cli import main
from tombola.models import build

TINY = "mlp:3-2-2"


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def record(self):
        """The one JSON object that standard output holds."""
        return json.loads(self.out)

    @property
    def complaint(self):
        """The one line that standard error holds."""
        assert self.err.startswith("tombola: ")
        assert self.err.count("\n") == 1
        return self.err


def ran(capsys, *words):
    """The command line of these words, run in this process."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return Result(stopped.value.code, *capsys.readouterr())


@pytest.fixture
def tombola(capsys, tmp_path, monkeypatch):
    """Runs the command line in an empty folder; what it changes in the process is put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TOMBOLA_DEBUG", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda *words: ran(capsys, *words)


@pytest.fixture
def sparse_net(tombola, tmp_path):
    """A network in `net.safetensors`, most of its weights 0, ten of its hidden units dead."""
    generator = torch.Generator().manual_seed(3)
    net = build("mlp:40-60-3", generator=generator)
    with torch.no_grad():
        for value in (net.fc1.weight, net.fc2.weight):
            value *= torch.rand(value.shape, generator=generator) < 0.1
        net.fc2.weight[:, :10] = 0
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    return net


def tiny_state(change=lambda state: None):
    """A state dict of `mlp:3-2-2`, changed by a function."""
    net = build(TINY, generator=torch.Generator().manual_seed(3))
    state = {name: value.clone() for name, value in net.state_dict().items()}
    change(state)
    return state


@pytest.fixture
def tiny(tombola, tmp_path):
    """A plain state dict of `mlp:3-2-2`, and the words that construct a ticket from it."""
    save_file(tiny_state(), tmp_path / "tiny.safetensors")
    return ("tiny.safetensors", "--model", TINY)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder with a network for the digits, and a ticket of each construction for it; made once."""
    folder = tmp_path_factory.mktemp("workshop")
    target, two, one = (folder / name for name in ("net.safetensors", "two.ticket", "one.ticket"))
    for words in (
        ["train", "digits", "mlp:64-6-10", "--epochs", "8", "-o", target],
        ["construct", target, "--seed", "7", "-o", two],
        ["construct", target, "--seed", "7", "--depth", "one-extra", "--weight-epsilon", "0.05", "-o", one],
    ):
        with pytest.raises(SystemExit) as stopped:
            main([*map(str, words), "--json"])
        assert stopped.value.code == 0
    return folder


@pytest.fixture
def made(tombola, workshop, tmp_path):
    """The files of the workshop, copied into the folder in which commands run."""
    shutil.copytree(workshop, tmp_path, dirs_exist_ok=True)
    return tombola


def temporary_files(folder):
    """What a write that was cut short would leave behind."""
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]
