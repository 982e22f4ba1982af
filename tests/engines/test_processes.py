"""Blocks in worker processes: the same results as here, whatever happens to a worker."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from tombola.engines import Processes, WorkerDiedError, Workers, in_process
from tombola.errors import DataNotFoundError

BLOCKS = [5, 3, 8, 1, 2]


def squared(block, workers):
    workers.progress(block)
    return block * block


def surroundings(block, workers):
    import torch

    ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return workers.threads, torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], ignores


def sleeps(folder, block, workers):
    (folder / str(block)).write_text(str(os.getpid()))
    time.sleep(60 if block else 0)


def fails_at_three(block, workers):
    if block == 3:
        raise DataNotFoundError("three", ["/data/three.npz"], "put it there")
    return block


def dies_at_eight(folder, always, block, workers):
    """Kills its own process the first time, or every time, that it meets 8."""
    workers.progress(block)
    marker = folder / "has died"
    if block == 8 and (always or not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return block * block


def test_every_block_gives_what_it_gives_here_and_is_counted_once():
    heard = []
    found = dict(Processes(2)(squared, BLOCKS, Workers(progress=heard.append)))
    assert found == dict(in_process(squared, BLOCKS, Workers()))
    assert sorted(heard) == sorted(BLOCKS)


def test_no_blocks_give_no_results_and_start_nothing(monkeypatch):
    monkeypatch.setattr("tombola.engines._processes._Pool._started", None)
    assert list(Processes()(squared, [], Workers())) == []


@pytest.mark.parametrize(("threads", "given"), [(None, 1), (2, 2)])
def test_linear_algebra_has_as_many_threads_as_the_task(threads, given, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert dict(Processes(1)(surroundings, [0], Workers(threads))) == {0: (given, given, str(given), True)}
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_the_exception_of_a_block_is_raised_with_what_it_says():
    with pytest.raises(FileNotFoundError, match=r"^no data set 'three'; looked for /data/three.npz; put it there$"):
        list(Processes(2)(fails_at_three, BLOCKS, Workers()))


def test_a_block_whose_worker_is_killed_is_done_again_and_counted_once(tmp_path):
    heard = []
    found = dict(Processes(2)(partial(dies_at_eight, tmp_path, False), BLOCKS, Workers(progress=heard.append)))
    assert found == dict(enumerate(n * n for n in BLOCKS))
    assert (tmp_path / "has died").exists()
    assert sorted(heard) == sorted(BLOCKS)


def test_a_block_that_kills_every_worker_is_an_error_that_names_it(tmp_path):
    with pytest.raises(WorkerDiedError, match="block 2 has cost 2 worker processes, the last by signal 9") as caught:
        list(Processes(1, retries=1)(partial(dies_at_eight, tmp_path, True), BLOCKS, Workers()))
    assert (caught.value.number, caught.value.deaths) == (2, 2)


def test_who_stops_listening_ends_the_work(tmp_path):
    results = Processes(2)(partial(sleeps, tmp_path), [0, 1, 2, 3], Workers())
    assert next(results) == (0, None)
    while not any(path.read_text() for path in tmp_path.glob("[123]")):
        time.sleep(0.01)
    begun = [int(path.read_text()) for path in tmp_path.glob("[123]") if path.read_text()]
    results.close()
    for process in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path):
    script = tmp_path / "asks.py"
    script.write_text(
        "import os, pathlib, time\n"
        "from functools import partial\n"
        "from tombola.engines import Processes, Workers\n"
        "def sleeps(folder, block, workers):\n"
        "    (folder / 'worker').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "if __name__ == '__main__':\n"
        f"    list(Processes(1)(partial(sleeps, pathlib.Path({str(tmp_path)!r})), [1], Workers()))\n"
    )
    with subprocess.Popen([sys.executable, script]) as asking:
        while not ((tmp_path / "worker").exists() and (tmp_path / "worker").read_text()):
            assert asking.poll() is None
            time.sleep(0.02)
        worker = int((tmp_path / "worker").read_text())
        asking.kill()
    for _ in range(500):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        time.sleep(0.02)
    else:
        pytest.fail("the worker lives on")


def test_a_script_without_a_guard_is_told_what_it_lacks(tmp_path):
    script = tmp_path / "bare.py"
    script.write_text("from tombola.engines import Processes, Workers\nlist(Processes(1)(max, [[1]], Workers()))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does its work below `if __name__ == '__main__':`" in done.stderr.splitlines()[-1]


def test_what_cannot_be_sent_is_refused_with_what_could_be():
    with pytest.raises(TypeError, match="a function of a module"):
        list(Processes(1)(lambda block, workers: block, BLOCKS, Workers()))


@pytest.mark.parametrize("options", [{"count": 0}, {"retries": -1}])
def test_engines_without_workers_are_refused(options):
    with pytest.raises(ValueError, match="count >= 1 and retries >= 0"):
        Processes(**options)


def test_fewer_than_one_thread_is_refused():
    with pytest.raises(ValueError, match="threads must be at least 1"):
        list(Processes()(squared, BLOCKS, Workers(0)))
