import contextlib
import errno
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
from tombola.isolation import torch_threads
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
        run_imp(folder, digits, settings, checkpoint=0.02)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(started, signal.SIGKILL)
    return os.waitpid(started, 0)[1]

for name, recipe in recipes.items():
    recipe["exclude"] = tuple(recipe.get("exclude", ()))
    job = f"{place}/killed-{name}", ImpSettings("mlp:64-8-10", densities=densities, **recipe)
    operations = [draw.choice([("replace", 9), ("fsync", 19)]) for _ in range(kills)]
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
    assert len(straight) == 9 * 3 + 4 + (name == "weights")  # the state at the rewind point
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


# A caller's own loop, and a process that is killed in it: what it trains follows from its arguments alone.
OWN_LOOP = """
import os, signal, sys, time
from pathlib import Path
import torch
from torch import nn
from tombola import imp
from tombola.data import load
from tombola.masks import bake_
from tombola.runs import Task, run_levels
from tombola.schedules import given
from tombola.training import evaluate

digits = load("digits")
x, y = digits.train()
net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
draw = torch.Generator().manual_seed(0)
for parameter in net.parameters():
    nn.init.normal_(parameter, std=0.1, generator=draw)
calls, last = 0, int(sys.argv[2])

def train(model, masks, *, start, stop, generator):
    global calls
    calls += 1
    if calls > last:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.write("trained\\n")
    import copy
    model = copy.deepcopy(model)
    for _ in range(start, stop):
        chosen = torch.randperm(len(x), generator=generator)[:64]
        gradients = torch.autograd.grad(nn.functional.cross_entropy(model(x[chosen]), y[chosen]), model.parameters())
        for parameter, gradient in zip(model.parameters(), gradients):
            parameter.data.sub_(0.1 * gradient)
        bake_(model, masks)
    return model

task = Task(net, train, lambda model: evaluate(model, *digits.test()))
levels = lambda train, done: imp.imp(net, train, stop=25, schedule=given((0.5, 0.25, 0.1)), after=done.last)
run_levels(Path(sys.argv[1]), {"rate": 0.1}, task, levels)
"""


def own_loop(folder, last):
    words, environment = [str(folder), str(last)], {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", OWN_LOOP, *words], capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout.count("trained")


def test_a_callers_own_loop_goes_on_from_the_level_where_it_was_killed(tmp_path):
    assert own_loop(tmp_path / "whole", 9) == (0, 4)
    assert own_loop(tmp_path / "killed", 2) == (-signal.SIGKILL, 2)
    assert own_loop(tmp_path / "killed", 1) == (-signal.SIGKILL, 1)
    assert own_loop(tmp_path / "killed", 9) == (0, 1)
    assert own_loop(tmp_path / "killed", 9) == (0, 0)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


class Interrupted(Exception):
    pass


def interrupted(after):
    """SGD that is interrupted before a step of the whole run."""
    from tombola.training import sgd

    done = [0]

    def made(*arguments, **named):
        def optimiser(parameters):
            plain = sgd(*arguments, **named)(parameters)
            plain.register_step_pre_hook(count)
            return plain

        return optimiser

    def count(*_):
        done[0] += 1
        if done[0] > after:
            raise Interrupted

    return made


def steps_done(monkeypatch, call, after=10**9):
    """How many steps a call trains before it is interrupted, or in all."""
    done, real = [0], interrupted(after)

    def made(*arguments, **named):
        inner = real(*arguments, **named)

        def optimiser(parameters):
            plain = inner(parameters)
            plain.register_step_post_hook(lambda *_: done.__setitem__(0, done[0] + 1))
            return plain

        return optimiser

    with monkeypatch.context() as patch:
        patch.setattr("tombola.training._optimisers.sgd", made)
        with contextlib.suppress(Interrupted):
            call()
    return done[0]


@pytest.mark.parametrize("checkpoint", [0.0, 3600.0])
def test_a_run_goes_on_within_a_level_and_from_its_rewind_point(tmp_path, digits, settings, monkeypatch, checkpoint):
    settings = replace(settings, rewind=5, momentum=0.9)  # steps 5, then 20 - 5 in each of 4 levels
    run_imp(tmp_path / "whole", digits, settings)

    def call():
        run_imp(tmp_path / "run", digits, settings, checkpoint=checkpoint)

    assert steps_done(monkeypatch, call, after=5 + 15 + 7) == 27
    done = steps_done(monkeypatch, call)
    assert done == 5 + 4 * 15 - (27 if checkpoint == 0.0 else 20)  # of the second level all seven steps, or none
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_a_damaged_state_is_said_and_its_level_begins_again(tmp_path, digits, settings, monkeypatch):
    def call():
        run_imp(tmp_path / "run", digits, settings, checkpoint=0.0)

    steps_done(monkeypatch, call, after=30)
    state = tmp_path / "run" / "training.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.warns(RuntimeWarning, match="training.safetensors is damaged"):
        call()
    run_imp(tmp_path / "whole", digits, settings)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_a_full_disk_ends_the_run_and_the_same_call_goes_on(tmp_path, digits, settings, monkeypatch):
    real, left = os.fsync, [20]

    def filling(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", filling)
        with pytest.raises(OSError, match="the disk is full"):
            run_imp(tmp_path / "run", digits, settings)
    assert 0 < len(list((tmp_path / "run").glob("levels/*/level.json"))) < 4
    run_imp(tmp_path / "run", digits, settings)
    run_imp(tmp_path / "whole", digits, settings)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")


def test_another_number_of_threads_is_refused_unless_it_is_asked_for(tmp_path, digits, monkeypatch):
    (tmp_path / "wide_nets.py").write_text(
        "from torch import nn\n"
        "def conv():\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    settings = ImpSettings("wide_nets:conv", steps=4, densities=(0.5,))
    with torch_threads(2):
        run_imp(tmp_path / "run", digits, settings)
    with torch_threads(1):
        with pytest.raises(ValueError, match="threads is 2 there, 1 here"):
            run_imp(tmp_path / "run", digits, settings)
        run_imp(tmp_path / "other", digits, replace(settings, threads=2))
    with torch_threads(3):
        run_imp(tmp_path / "other", digits, replace(settings, threads=2))
    small = replace(settings, model="mlp:64-8-10")
    with torch_threads(2):
        run_imp(tmp_path / "small", digits, small)
    with torch_threads(1):  # which a small network has in any case
        run_imp(tmp_path / "small", digits, small)
