"""Sweeps: the same results wherever they run, whatever happens to them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.runs.conftest import contents

from tombola.engines import Processes, Ray, WorkerDiedError, Workers, in_process
from tombola.runs import RunFolder, find_runs, grid, read_run, summarise, sweep

STUDY = {"data": "digits", "model": "mlp:64-6-10", "steps": 20, "densities": [0.5, 0.2]}
THREE = {**STUDY, "method": ["imp", "random", "fine-tuning"]}


def lines(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def no_training(monkeypatch):
    def trained(*_, **__):
        raise AssertionError("it was trained")

    monkeypatch.setattr("tombola.training.Trainer.__call__", trained)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A sweep of three cells, done in this process, and its folder."""
    folder = tmp_path_factory.mktemp("here") / "study"
    return sweep(grid(THREE), folder), folder


def test_every_cell_has_its_folder_and_every_level_its_line(here):
    done, folder = here
    assert done.failed == ()
    assert [result.folder for result in done.results] == [folder / cell.name for cell in grid(THREE)]
    assert all(result.is_new for result in done.results)
    found = lines(folder)
    assert [(line["method"], line["level"], line["kept"]) for line in found] == [
        (method, level, kept)
        for method in ("imp", "random", "fine-tuning")
        for level, kept in ((0, 444), (1, 222), (2, 89))
    ]
    assert found == done.lines()
    assert found[4]["accuracy"] == done.results[1].levels[1].accuracy
    assert {"cell", "data", "model", "seed", "steps", "density", "loss", "seconds"} <= found[0].keys()
    assert json.loads((folder / "sweep.json").read_text())["cells"] == {c.name: c.to_json() for c in grid(THREE)}


def test_what_is_finished_is_found_and_not_run_again(here, monkeypatch):
    done, folder = here
    before, events = contents(folder), []
    no_training(monkeypatch)
    again = sweep(grid(THREE), folder, on_event=events.append)
    assert contents(folder) == before
    assert [result.levels for result in again.results] == [result.levels for result in done.results]
    assert not any(result.is_new for result in again.results)
    assert [(event.done, event.of, event.result) for event in events] == [(3, 3, None)]


def test_one_more_seed_runs_the_new_cells_alone(tmp_path):
    sweep(grid(STUDY), tmp_path / "study")
    before, results = contents(tmp_path / "study"), []
    done = sweep(
        grid({**STUDY, "seed": [1, 0]}),
        tmp_path / "study",
        on_event=lambda event: results.append(event.result.cell.settings.seed) if event.result else None,
    )
    assert results == [1]
    assert [result.is_new for result in done.results] == [True, False]
    after = contents(tmp_path / "study")
    assert all(after[name] == before[name] for name in before if "/" in name)
    assert [line["seed"] for line in lines(tmp_path / "study")] == [1, 1, 1, 0, 0, 0]


def test_worker_processes_give_the_same_bits(here, tmp_path):
    events = []
    done = sweep(grid(THREE), tmp_path / "study", workers=Workers(engine=Processes(1)), on_event=events.append)
    assert done.failed == ()
    assert contents(tmp_path / "study") == contents(here[1])
    assert [event.done for event in events if event.result] == [1, 2, 3]
    assert max(event.levels for event in events) == 9


@pytest.mark.slow
def test_ray_gives_the_same_bits(here, tmp_path):
    pytest.importorskip("ray")
    done = sweep(grid(THREE), tmp_path / "study", workers=Workers(engine=Ray(cpus=1)))
    assert done.failed == ()
    assert contents(tmp_path / "study") == contents(here[1])


def test_a_cell_that_fails_is_listed_and_the_others_are_done(tmp_path, monkeypatch):
    monkeypatch.setenv("TOMBOLA_DATA", str(tmp_path))
    grids = [
        {"data": "mnist"},
        {"learning_rate": 1e30},
        {"model": "mlp:63-6-10"},
        {"exclude": ["fc9.weight"]},
        {"model": "nowhere:net"},
        {},
    ]
    done = sweep(grid({**STUDY, "grids": grids}), tmp_path / "study")
    said = [result.error for result in done.results]
    for error, words in zip(
        said, ["mnist.npz", "level 0: the loss is not finite", "63 inputs", "fc9.weight", "nowhere"], strict=False
    ):
        assert words in error
        assert "\n" not in error
    assert said[5] is None
    assert len(done.failed) == 5
    assert len(lines(tmp_path / "study")) == 3
    assert [record["seeds"] for record in done.summary()] == [1, 1, 1]


def test_a_cell_that_failed_is_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv("TOMBOLA_DATA", str(tmp_path))
    cells = grid({**STUDY, "data": "mnist"})
    assert "mnist.npz" in sweep(cells, tmp_path / "study").results[0].error
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 255, (64, 8, 8), dtype=np.uint8), np.arange(64) % 10
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert sweep(cells, tmp_path / "study").failed == ()


def deadly(task, blocks, workers):
    """An engine whose workers die of the second block, if there is one."""
    for number, block in enumerate(blocks):
        if block.cell.settings.seed == 1:
            raise WorkerDiedError(number, 4, -9)
        yield number, task(block, workers)


class RayError(Exception):
    """As what Ray raises, which does not know of blocks."""


def deadly_without_number(task, blocks, workers):
    for number, block in enumerate(blocks):
        if block.cell.settings.seed == 1:
            raise RayError("gone")
        yield number, task(block, workers)


@pytest.mark.parametrize("engine", [deadly, deadly_without_number])
def test_a_cell_that_costs_every_worker_is_one_failure(tmp_path, engine):
    done = sweep(grid({**STUDY, "seed": [0, 1, 2]}), tmp_path / "study", workers=Workers(engine=engine))
    assert [result.error is None for result in done.results] == [True, False, True]
    assert type(done.results[1].error) is str
    assert done.results[1].error.startswith(("WorkerDiedError: block", "RayError: gone"))


def test_what_is_wrong_with_the_engine_is_no_failure_of_cells(tmp_path):
    def broken(task, blocks, workers):
        raise ImportError("the engine is not installed")
        yield

    with pytest.raises(ImportError, match="not installed"):
        sweep(grid(STUDY), tmp_path / "study", workers=Workers(engine=broken))


def test_a_result_that_is_elsewhere_is_a_failure_that_says_why(tmp_path):
    def elsewhere(task, blocks, workers):
        yield from ((number, None) for number, _ in enumerate(blocks))

    (result,) = sweep(grid(STUDY), tmp_path / "study", workers=Workers(engine=elsewhere)).results
    assert f"the result is not in {result.folder}; workers on other machines need" in result.error


def test_cells_of_other_data_of_the_same_name_are_not_mixed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    for seeds in ([0], [0, 1]):
        x, y = draw.integers(0, 255, (64, 8, 8), dtype=np.uint8), np.arange(64) % 10
        np.savez("mine.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        done = sweep(grid({**STUDY, "data": "mine.npz", "seed": seeds}), "study")
    assert [result.error is None for result in done.results] == [False, True]
    assert "other data of the same name" in done.results[0].error


def test_the_same_cell_has_the_same_name_in_every_sweep(here, tmp_path):
    done = sweep(grid({**STUDY, "method": "random"}), tmp_path / "other")
    name = done.results[0].folder.name
    assert contents(tmp_path / "other" / name) == contents(here[1] / name)


class Heard:
    """A tracker that remembers what it is told."""

    def __init__(self, name, folder):
        self.said = [name, folder]
        Heard.all.append(self.said)

    def begin(self, name, parameters):
        self.said += [name.partition("-")[0], parameters["method"], parameters["steps"]]
        return ()

    def record(self, metrics, *, step):
        self.said.append((step, metrics["kept"]))

    def keep(self, path):
        assert path.name == "level.ticket"

    def end(self, *, failed):
        self.said.append(failed)


def test_trackers_follow_every_cell_that_is_run(tmp_path, monkeypatch):
    monkeypatch.setattr(Heard, "all", [], raising=False)
    monkeypatch.setattr("tombola.runs._run_cell.named_tracker", Heard)
    cells = grid({**STUDY, "learning_rate": [0.1, 1e30]})
    for _ in range(2):
        done = sweep(cells, tmp_path / "study", trackers=["mlflow", "mlflow"])
    begun = [["mlflow", tmp_path / "study", cell.name, "imp", 20] for cell in cells]
    assert Heard.all == [
        [*begun[0], (0, 444), (1, 222), (2, 89), False],
        [*begun[1], True],
        [*begun[1], True],
    ]
    assert [result.error is None for result in done.results] == [True, False]
    with pytest.raises(ValueError, match="unknown tracker 'mlflo'; did you mean 'mlflow'"):
        sweep(cells, tmp_path / "study", trackers=["mlflo"])


KILLED = """
import sys
from tombola.runs import grid, sweep
from tombola.engines import Processes, Workers
if __name__ == "__main__":
    study = {"data": "digits", "model": "mlp:64-6-10", "steps": 20, "densities": [0.5, 0.2], "seed": list(range(4))}
    sweep(grid(study), sys.argv[1], workers=Workers(engine=Processes(1)))
"""


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on(tmp_path):
    (tmp_path / "killed.py").write_text(KILLED)
    folder, environment = tmp_path / "study", {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, tmp_path / "killed.py", folder]
    with subprocess.Popen(command, env=environment) as first:
        while len(list(folder.glob("*/levels/*/level.json"))) < 2:
            assert first.poll() is None
            time.sleep(0.01)
        first.kill()
    wait_until_nobody_works(folder)
    begun = [run for run in find_runs(folder) if run.levels]
    assert begun
    cells = grid({**STUDY, "seed": list(range(4))})
    done = sweep(cells, folder)
    assert done.failed == ()
    assert sum(result.is_new for result in done.results) >= 1
    sweep(cells, tmp_path / "whole")
    assert contents(folder) == contents(tmp_path / "whole")


def wait_until_nobody_works(folder):
    for _ in range(500):
        if all(read_run(path.parent).state != "locked" for path in folder.glob("*/config.json")):
            return
        time.sleep(0.02)
    pytest.fail("somebody still works there")


def test_ctrl_c_leaves_finished_cells_and_the_same_call_goes_on(tmp_path):
    def interrupted(event):
        if event.result:
            raise KeyboardInterrupt

    cells = grid({**STUDY, "seed": [0, 1]})
    with pytest.raises(KeyboardInterrupt):
        sweep(cells, tmp_path / "study", on_event=interrupted)
    assert [line["level"] for line in lines(tmp_path / "study")] == [0, 1, 2]
    assert [result.is_new for result in sweep(cells, tmp_path / "study").results] == [False, True]


def test_the_second_sweep_in_a_folder_is_turned_away(tmp_path):
    tried = []

    def second(event):
        with pytest.raises(BlockingIOError, match="another process works on this sweep"):
            sweep(grid(THREE), tmp_path / "study")
        tried.append(event)

    assert sweep(grid(STUDY), tmp_path / "study", on_event=second).failed == ()
    assert tried
    assert len(lines(tmp_path / "study")) == 3


def test_a_cell_in_which_another_process_works_is_a_failure_of_this_cell_alone(tmp_path):
    cells = grid({**STUDY, "seed": [0, 1]})
    with RunFolder.opened(tmp_path / "study" / cells[0].name, {}):
        (tmp_path / "study" / "sweep.json").write_text("{}")
        done = sweep(cells, tmp_path / "study")
    assert "another process works on this run" in done.results[0].error
    assert done.results[1].error is None


@pytest.mark.parametrize("name", ["thesis.tex", "config.json"])
def test_folders_of_something_else_are_left_alone(tmp_path, name):
    (tmp_path / name).write_text("years of work")
    with pytest.raises(ValueError, match=f"other files, such as {name}, and no sweep"):
        sweep(grid(STUDY), tmp_path)
    assert os.listdir(tmp_path) == [name]


def test_folders_that_cannot_be_used_are_one_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="in the way"):
        sweep(grid(STUDY), tmp_path / "file")
    with pytest.raises(ValueError, match="no cell"):
        sweep([], tmp_path / "study")
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(PermissionError, match="cannot be written"):
        sweep(grid(STUDY), tmp_path / "study")


def test_a_damaged_cell_is_run_again(here, tmp_path):
    import shutil

    shutil.copytree(here[1], tmp_path / "study")
    cell = grid(THREE)[1]
    (tmp_path / "study" / cell.name / "result.json").write_text("{")
    done = sweep(grid(THREE), tmp_path / "study")
    assert [result.is_new for result in done.results] == [False, True, False]
    assert contents(tmp_path / "study") == contents(here[1])


@pytest.mark.usefixtures("untouched")
def test_a_sweep_leaves_the_process_as_it_was(tmp_path):
    sweep(grid(STUDY), tmp_path / "study", workers=Workers(2, engine=in_process))


def test_the_interval_is_that_of_the_table(here):
    accuracies = [0.91, 0.93, 0.92, 0.95, 0.90]
    rows = [
        {"method": "imp", "seed": seed, "cell": str(seed), "level": 1, "density": 0.5, "accuracy": accuracy}
        for seed, accuracy in enumerate(accuracies)
    ]
    (found,) = summarise(rows)
    assert found["accuracy"] == pytest.approx(0.922)
    spread = np.std(accuracies, ddof=1)
    assert found["interval"] == pytest.approx(2.776445 * spread / 5**0.5, rel=1e-6)  # the 0.975 quantile, 4 degrees
    assert summarise(rows[:1])[0]["interval"] is None
    assert [record["seeds"] for record in summarise([*rows, {**rows[0], "steps": 9}])] == [5, 1]
    assert len(here[0].summary()) == 9
    assert Path(here[0].folder).is_absolute()
