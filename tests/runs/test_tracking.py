import json
import os
import sys

import pytest
from tests.runs.followed import NAMES, StoppedError, expected, follow

from tombola.runs import (
    ImpSettings,
    MLflow,
    TensorBoard,
    WeightsAndBiases,
    named_tracker,
    run_imp,
    tracked,
)
from tombola.ticket import load_ticket


class Notes:
    """A tool that remembers what it was told, by the names of runs; it fails where it is told to."""

    def __init__(self, fails=""):
        self.runs, self.fails, self.ended, self.tickets, self.told = {}, fails, [], [], []

    def may(self, name):
        if name == self.fails:
            raise ConnectionError(f"nobody there to {name}\nand a long story")

    def begin(self, name, parameters):
        self.may("begin")
        self.now = self.runs.setdefault(name, {})
        self.parameters = parameters
        return set(self.now)

    def record(self, metrics, *, step):
        self.may("record")
        assert step not in self.now
        assert self.tickets[-1].parent.name == f"{step:02d}"
        self.now[step] = metrics
        self.told.append(step)

    def keep(self, path):
        self.may("keep")
        assert load_ticket(path).masks()
        self.tickets.append(path)

    def end(self, *, failed):
        self.may("end")
        self.ended.append(failed)

    def metrics(self):
        (run,) = self.runs.values()
        return {name: {level: metrics[name] for level, metrics in run.items()} for name in NAMES}


def test_every_level_is_told_once_and_its_ticket_before(tmp_path, digits, settings):
    notes = Notes()
    records = follow([notes], tmp_path / "run", digits, settings)
    assert notes.told == [0, 1, 2, 3]
    assert notes.metrics() == expected(records)
    assert notes.tickets == [tmp_path / "run" / "levels" / f"{level:02d}" / "level.ticket" for level in range(4)]
    assert notes.parameters == settings.to_json()
    assert notes.ended == [False]


def test_a_run_that_goes_on_goes_on_in_the_tool(tmp_path, digits, settings):
    notes = Notes()
    with pytest.raises(StoppedError):
        follow([notes], tmp_path / "run", digits, settings, until=1)
    assert (notes.told, notes.ended) == ([0, 1], [True])
    (tmp_path / "run").rename(tmp_path / "moved")
    records = follow([notes], tmp_path / "moved", digits, settings)
    assert follow([notes], tmp_path / "moved", digits, settings) == records
    assert (notes.told, notes.ended) == ([0, 1, 2, 3], [True, False, False])
    assert notes.metrics() == expected(records)


def test_a_level_that_the_tool_lost_is_told_again(tmp_path, digits, settings):
    notes = Notes()
    records = follow([notes], tmp_path / "run", digits, settings)
    next(iter(notes.runs.values())).pop(2)
    follow([notes], tmp_path / "run", digits, settings)
    assert notes.told == [0, 1, 2, 3, 2]
    assert notes.metrics() == expected(records)


def test_a_folder_that_is_made_anew_is_another_run(tmp_path, digits, settings):
    notes = Notes()
    for place in ("one", "two", "one"):
        follow([notes], tmp_path / place / "run", digits, settings)
    assert len(notes.runs) == 2
    (tmp_path / "one").rename(tmp_path / "gone")
    follow([notes], tmp_path / "one" / "run", digits, settings)
    assert len(notes.runs) == 3
    assert all(name.startswith("digits, run-") for name in notes.runs)


@pytest.mark.parametrize("fails", ["keep", "record", "end"])
def test_a_tool_that_fails_is_warned_of_once_and_disturbs_nobody(tmp_path, digits, settings, fails):
    broken, sound = Notes(fails), Notes()
    said = f"^Notes does not follow this run any more: nobody there to {fails}; the same run, called again"
    with pytest.warns(RuntimeWarning, match=said) as warned:
        records = follow([broken, sound], tmp_path / "run", digits, settings)
    assert len(warned) == 1
    assert len(records) == 4
    assert sound.metrics() == expected(records)
    broken.fails = ""
    follow([broken, sound], tmp_path / "run", digits, settings)
    assert broken.metrics() == expected(records)
    assert sound.told == [0, 1, 2, 3]


def test_a_tool_that_cannot_begin_is_an_error_before_anything_is_trained(tmp_path, digits, settings, monkeypatch):
    def trained(*_, **__):
        raise AssertionError("it was trained")

    monkeypatch.setattr("tombola.training.Trainer.__call__", trained)
    first = Notes()
    with pytest.raises(ConnectionError, match="nobody there to begin"):
        follow([first, Notes("begin")], tmp_path / "run", digits, settings)
    assert first.ended == [True]
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_refused_leaves_nothing_behind(tmp_path, digits, settings):
    notes = Notes()
    with pytest.raises(ValueError, match="63 inputs"):
        follow([notes], tmp_path / "run", digits, ImpSettings("mlp:63-10", steps=5))
    assert not list(tmp_path.iterdir())
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"thesis\.tex"):
        follow([notes], tmp_path, digits, settings)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    with pytest.raises(NotADirectoryError):
        follow([notes], tmp_path / "thesis.tex", digits, settings)
    assert notes.ended == [True, True]


def test_trackers_change_nothing_in_the_run(tmp_path, digits, settings):
    follow([Notes()], tmp_path / "followed", digits, settings)
    follow([], tmp_path / "alone", digits, settings)
    run_imp(tmp_path / "plain", digits, settings)
    names = [
        sorted(str(path.relative_to(tmp_path / run)) for path in (tmp_path / run).rglob("*"))
        for run in ("followed", "alone", "plain")
    ]
    assert names[0] == sorted([*names[2], "levels/trackers.json"])
    assert names[1] == names[2]


@pytest.mark.parametrize("text", ["", "[]", '{"key": 3}', '{"key": "a", "key": "b"}'])
def test_a_damaged_key_is_said(tmp_path, digits, settings, text):
    follow([Notes()], tmp_path / "run", digits, settings)
    key = tmp_path / "run" / "levels" / "trackers.json"
    assert len(json.loads(key.read_text())["key"]) == 8
    key.write_text(text)
    with pytest.raises(ValueError, match=r"trackers\.json is damaged: .*delete it"):
        follow([Notes()], tmp_path / "run", digits, settings)


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow")]
)
def test_an_extra_that_is_missing_is_named(tmp_path, monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    place = tracked([named_tracker(name, tmp_path / "tracking")], tmp_path / "run", "digits", {})
    with pytest.raises(ImportError, match=rf"pip install 'tombola\[{name}\]'"), place:
        raise AssertionError("the block was entered")
    assert not (tmp_path / "run").exists()


def test_trackers_have_names(tmp_path):
    kinds = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases, "mlflow": MLflow}
    for name, kind in kinds.items():
        assert isinstance(named_tracker(name, tmp_path), kind)
    assert named_tracker("mlflow", tmp_path, address="http://127.0.0.1:5000").address == "http://127.0.0.1:5000"
    assert named_tracker("tensorboard", tmp_path).folder == tmp_path / "tensorboard"
    with pytest.raises(ValueError, match="tensorboard, wandb, mlflow, got 'comet'"):
        named_tracker("comet", tmp_path)
    with pytest.raises(ValueError, match="leave it out"):
        named_tracker("wandb", tmp_path, address="http://127.0.0.1:5000")
    with pytest.raises(ValueError, match="online, offline"):
        WeightsAndBiases(tmp_path, mode="sometimes")
