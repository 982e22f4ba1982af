import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from tests.runs.conftest import contents, without_seconds

from tombola import imp, models
from tombola.runs import ImpSettings, run_imp
from tombola.ticket import load_ticket
from tombola.training import evaluate, load_model

SAME = {"rtol": 0, "atol": 0}
RECIPES = {
    "weights": {"steps": 120, "rewind": 25},
    "learning-rate": {"steps": 60, "reset": "learning-rate", "retrain": 90, "momentum": 0.9},
    "fine-tuning": {"steps": 60, "reset": "fine-tuning", "by_layer": True, "exclude": ("fc2.weight",)},
}
DENSITIES, KILLS = (0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05), 4
# A process that forks one after the other: each begins or goes on with the run, and is killed at a moment of its own.
FORKS = """
import json, os, random, signal, sys, time
import accelerate, torch._dynamo, tombola.effective  # before the forks, so that they begin with work
from tombola.data import load
from tombola.runs import ImpSettings, run_imp

place, recipes, densities, kills = json.loads(sys.argv[1])
densities, digits, draw, outcomes = tuple(densities), load("digits"), random.Random(5), {}

def killed_at(name, count):
    done, real = [0], getattr(os, name)
    def counted(*arguments):
        done[0] += 1
        if done[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)
    setattr(os, name, counted)

def call(folder, settings, after=None, operation=None):
    started = os.fork()
    if started == 0:
        if operation:
            killed_at(*operation)
        run_imp(folder, digits, settings)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(started, signal.SIGKILL)
    return os.waitpid(started, 0)[1]

for name, recipe in recipes.items():
    recipe["exclude"] = tuple(recipe.get("exclude", ()))
    job = f"{place}/killed-{name}", ImpSettings("mlp:64-8-10", densities=densities, **recipe)
    operations = [draw.choice([("replace", 5), ("fsync", 11)]) for _ in range(kills)]
    statuses = [call(*job, operation=(function, draw.randint(1, most))) for function, most in operations]
    statuses += [call(*job, after=draw.uniform(0.01, 0.15)) for _ in range(kills)]
    outcomes[name] = [*statuses, call(*job), call(f"{place}/whole-{name}", job[1])]
sys.stdout.write(json.dumps(outcomes))
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder with killed and whole runs, and the exit statuses of the processes that worked on each recipe."""
    place = tmp_path_factory.mktemp("killed")
    words, environment = json.dumps([str(place), RECIPES, DENSITIES, KILLS]), {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", FORKS, words], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return place, json.loads(done.stdout)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize("name", RECIPES)
def test_a_run_that_is_killed_again_and_again_is_the_one_that_was_not(killed, name):
    place, outcomes = killed
    assert outcomes[name][-2:] == [0, 0]
    assert outcomes[name][:KILLS] == [signal.SIGKILL] * KILLS  # at a file operation; later ones at some instant
    broken, straight = contents(place / f"killed-{name}"), contents(place / f"whole-{name}")
    assert broken.keys() == straight.keys()
    assert len(straight) == 9 * 3 + 4
    for path, content in straight.items():
        assert broken[path] == content, path


def test_a_run_is_that_of_imp(tmp_path, digits, settings):
    from tombola.training import Trainer, sgd

    run = run_imp(tmp_path / "run", digits, settings)
    net = models.build("mlp:64-8-10", generator=torch.Generator().manual_seed(0))
    train = Trainer(digits, steps=20, optimiser=sgd(0.1, momentum=0.0))
    levels = list(imp.imp(net, train, stop=20, schedule=settings.schedule()))
    assert [record.kept for record in run.levels] == [level.kept for level in levels]
    for record, level in zip(run.levels, levels, strict=True):
        folder = tmp_path / "run" / "levels" / f"{record.level:02d}"
        trained, ticket = load_model(folder / "weights.safetensors").model, load_ticket(folder / "level.ticket")
        torch.testing.assert_close(dict(trained.named_parameters()), dict(level.model.named_parameters()), **SAME)
        assert all(torch.equal(mask, ticket.masks()[name]) for name, mask in level.masks.items())
        for name, parameter in level.begun.named_parameters():
            torch.testing.assert_close(torch.tensor(ticket.values[name]).view_as(parameter), parameter, **SAME)
        assert record.accuracy == evaluate(trained, *digits.test()).accuracy
        assert (record.density, record.step) == (level.density, level.step)


def test_a_run_that_is_there_is_read_and_not_trained(tmp_path, digits, settings, monkeypatch):
    first, before = run_imp(tmp_path / "run", digits, settings), contents(tmp_path / "run")

    def trained(*_, **__):
        raise AssertionError("it was trained")

    monkeypatch.setattr("tombola.runs._timed_training.Trainer.__call__", trained)
    assert run_imp(tmp_path / "run", digits, settings) == first
    (tmp_path / "run" / "result.json").unlink()
    assert run_imp(tmp_path / "run", digits, settings) == first
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("name", ["level.json", "level.ticket", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "cut", "other"])
def test_a_level_that_is_not_whole_is_done_again(tmp_path, digits, settings, name, damage):
    run_imp(tmp_path / "run", digits, settings)
    before, path = contents(tmp_path / "run"), tmp_path / "run" / "levels" / "02" / name
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        path.write_bytes((path.parents[1] / "01" / name).read_bytes())
    seen = []
    run_imp(tmp_path / "run", digits, settings, on_level=lambda record, of: seen.append((record.level, of)))
    assert contents(tmp_path / "run") == before
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_batch_norm_goes_on_where_it_was(tmp_path, digits, monkeypatch):
    (tmp_path / "normed_nets.py").write_text(
        "from torch import nn\n"
        "def small():\n"
        "    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings = ImpSettings("normed_nets:small", steps=10, densities=(0.5, 0.2), reset="fine-tuning")
    run_imp(tmp_path / "run", digits, settings)
    before = contents(tmp_path / "run")
    (tmp_path / "run" / "levels" / "02" / "level.json").unlink()
    (tmp_path / "run" / "levels" / "02" / "weights.safetensors").unlink()
    run_imp(tmp_path / "run", digits, settings)
    assert contents(tmp_path / "run") == before


def test_divergence_names_level_and_step_and_keeps_the_levels_before(tmp_path, digits, settings, monkeypatch):
    real = imp.everywhere

    def spoiled(model, masks, kept):
        masks = real(model, masks, kept)
        if kept < 200:
            with torch.no_grad():
                next(model.parameters()).fill_(torch.nan)
        return masks

    diverging = replace(settings, reset="fine-tuning")
    with monkeypatch.context() as patch:
        patch.setattr("tombola.imp.everywhere", spoiled)
        with pytest.raises(FloatingPointError, match="level 2: the loss is not finite by step 39"):
            run_imp(tmp_path / "run", digits, diverging)
    assert sorted(os.listdir(tmp_path / "run" / "levels")) == ["00", "01"]
    run_imp(tmp_path / "run", digits, diverging)
    run_imp(tmp_path / "whole", digits, diverging)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"model": "mlp:63-8-10"}, "63 inputs"),
        ({"model": "mlp:64-8-9"}, "9 outputs"),
        ({"exclude": ("fc9.weight",)}, "fc9.weight"),
        ({"densities": (0.5, 0.4999)}, "fewer levels"),
    ],
)
def test_what_does_not_fit_together_leaves_nothing_behind(tmp_path, digits, settings, changed, said):
    with pytest.raises(ValueError, match=said):
        run_imp(tmp_path / "run", digits, replace(settings, **changed))
    assert not list(tmp_path.iterdir())


def test_a_foreign_network_has_to_fit_the_data(tmp_path, digits, monkeypatch):
    (tmp_path / "odd_nets.py").write_text(
        "from torch import nn\n"
        "def narrow():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(63, 10))\n"
        "def few():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 9))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name, said in (("narrow", "inputs of shape 1 x 8 x 8"), ("few", r"\(batch, 10\)")):
        with pytest.raises(ValueError, match=said):
            run_imp(tmp_path / "run", digits, ImpSettings(f"odd_nets:{name}", steps=5))
    assert not (tmp_path / "run").exists()


def test_other_data_are_another_configuration(tmp_path, digits, settings):
    run_imp(tmp_path / "run", digits, settings)
    with pytest.raises(ValueError, match="data_sha256"):
        run_imp(tmp_path / "run", replace(digits, y_train=digits.y_train.flip(0)), settings)
    with pytest.raises(ValueError, match="seed is 0 there, 1 here"):
        run_imp(tmp_path / "run", digits, replace(settings, seed=1))


@pytest.mark.usefixtures("untouched")
def test_seconds_add_up_and_nothing_else_moves(tmp_path, digits, settings):
    run = run_imp(tmp_path / "run", digits, settings)
    assert run.seconds == pytest.approx(sum(record.seconds for record in run.levels))
    assert 0 < run.seconds_outside_training < run.seconds
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert without_seconds(lines) == without_seconds(result["levels"])
    assert [line["level"] for line in lines] == [0, 1, 2, 3]
