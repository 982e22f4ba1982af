"""Several processes on a CPU train one run together."""

import itertools
import json
import os
import subprocess
import sys

import pytest
import torch

from tombola import imp
from tombola.runs import ImpSettings, run_imp
from tombola.ticket import load_ticket
from tombola.training import load_model

SETTINGS = {"model": "nets:normed", "steps": 60, "densities": [0.5, 0.25, 0.1], "rewind": 10, "momentum": 0.9}
NETS = """
from torch import nn
def normed():
    first = [nn.Flatten(), nn.Linear(64, 24), nn.BatchNorm1d(24), nn.ReLU()]
    return nn.Sequential(*first, nn.Linear(24, 10))
"""
# What every process does: the run, and a copy of what it holds at each level.
SCRIPT = """
import json, os, sys
import torch
from pathlib import Path
from tombola import imp, runs
from tombola.data import load
from tombola.runs import ImpSettings, run_imp
from tombola.training import fingerprint

place, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
held, real = [], imp.imp

def watched(*arguments, **named):
    for level in real(*arguments, **named):
        masks, weights = fingerprint(level.masks), fingerprint(level.model.state_dict())
        held.append({"kept": level.kept, "masks": masks, "weights": weights})
        yield level

imp.imp = watched
settings["densities"] = tuple(settings["densities"])
run = run_imp(place / "run", load("digits"), ImpSettings(**settings))
rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
accuracies = [record.accuracy for record in run.levels]
(place / f"{rank}.json").write_text(json.dumps({"held": held, "accuracies": accuracies}))
"""


def launched(place, processes, **changed):
    (place / "nets.py").write_text(NETS)
    (place / "script.py").write_text(SCRIPT)
    words = [str(place / "script.py"), str(place), json.dumps({**SETTINGS, **changed})]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    path = os.pathsep.join([str(place), *sys.path])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run([sys.executable, *launcher, *words], capture_output=True, text=True, env=environment)
    return done, [json.loads(path.read_text()) for path in sorted(place.glob("[0-9].json"))]


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    place = tmp_path_factory.mktemp("together")
    done, held = launched(place, 2)
    assert done.returncode == 0, done.stderr[-3000:]
    return place, held


def test_masks_are_the_same_on_every_process(together):
    _, (first, second) = together
    assert first == second
    assert [level["kept"] for level in first["held"]] == [1776, 888, 444, 178]


def test_the_same_weights_give_the_masks_of_one_process(together):
    place, _ = together
    folders = [place / "run" / "levels" / f"{number:02d}" for number in range(4)]
    net = load_net(place)
    for before, after in itertools.pairwise(folders):
        masks = {name: mask for name, mask in load_ticket(before / "level.ticket").masks().items() if mask.ndim > 1}
        masks = {name: mask for name, mask in masks.items() if name in imp.prunable(net)}
        trained = load_model(before / "weights.safetensors", net).model
        wanted = load_ticket(after / "level.ticket").masks()
        kept = sum(int(wanted[name].sum()) for name in masks)
        for name, mask in imp.everywhere(trained, masks, kept).items():
            assert mask.equal(wanted[name])


def load_net(place):
    namespace = {}
    exec((place / "nets.py").read_text(), namespace)
    return namespace["normed"]()


def test_accuracies_agree_with_those_of_one_process_within_the_spread_over_seeds(together, digits, monkeypatch):
    place, (held, _) = together
    monkeypatch.syspath_prepend(place)
    alone = []
    for seed in range(5):
        settings = ImpSettings(**{**SETTINGS, "densities": tuple(SETTINGS["densities"]), "seed": seed})
        run = run_imp(place / f"alone-{seed}", digits, settings)
        alone.append([record.accuracy for record in run.levels])
    alone = torch.tensor(alone)
    spread = 2.78 * alone.std(0) * (1 + 1 / 5) ** 0.5  # 95 % of what a sixth seed gives, by Student's t
    difference = (torch.tensor(held["accuracies"]) - alone.mean(0)).abs()
    assert (difference <= spread + 0.01).all(), (difference, spread)


def test_the_same_command_reads_what_is_there_and_one_process_is_another_configuration(together, digits, monkeypatch):
    place, before = together
    done, held = launched(place, 2)
    assert done.returncode == 0, done.stderr[-3000:]
    assert [one["accuracies"] for one in held] == [one["accuracies"] for one in before]
    assert [one["held"] for one in held] == [[], []]
    monkeypatch.syspath_prepend(place)
    with pytest.raises(ValueError, match="processes is 2 there, 1 here"):
        run_imp(place / "run", digits, ImpSettings(**{**SETTINGS, "densities": tuple(SETTINGS["densities"])}))


def test_an_error_of_the_first_process_ends_all(tmp_path):
    (tmp_path / "run").write_text("in the way")
    done, held = launched(tmp_path, 2)
    assert done.returncode != 0
    assert held == []
    assert "in the way: not a folder" in done.stderr
