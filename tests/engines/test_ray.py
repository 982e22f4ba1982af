"""Blocks on Ray workers: the same results as here, whatever happens to a worker."""

import os
import signal
import sys

import pytest

from tombola.engines import Ray, Workers, in_process

ray = pytest.importorskip("ray")
BLOCKS = [5, 3, 8, 1, 2]


@pytest.fixture(scope="module")
def cluster():
    """An engine for two workers that are started once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _node_ip_address="127.0.0.1")
    yield Ray()
    ray.shutdown()


def squared(block, workers):
    workers.progress(block)
    return block * block


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_every_block_gives_what_it_gives_here(cluster, threads):
    heard = []
    found = dict(cluster(squared, BLOCKS, Workers(threads, heard.append)))
    assert found == dict(in_process(squared, BLOCKS, Workers()))
    assert sorted(heard) == sorted(BLOCKS)


def test_no_blocks_give_no_results(cluster):
    assert list(cluster(squared, [], Workers())) == []


def test_a_task_has_as_many_threads_as_its_worker_has_cpus(cluster):
    for threads, given in ((None, 1), (1, 1), (2, 2)):
        assert dict(cluster(lambda _, workers: workers.threads, [0], Workers(threads))) == {0: given}


def test_arrays_that_come_back_are_the_callers_own(cluster):
    import numpy as np

    ((_, found),) = cluster(lambda block, _: block + 1, [np.zeros(1 << 18)], Workers())
    found += 1
    np.testing.assert_array_equal(found, 2.0)


def fails_at_three(block, workers):
    if block == 3:
        raise ZeroDivisionError("of three")
    return block


def test_the_exception_of_a_block_is_raised(cluster):
    with pytest.raises(ZeroDivisionError, match=r"^of three$"):
        list(cluster(fails_at_three, BLOCKS, Workers()))
    assert dict(cluster(squared, [2], Workers())) == {0: 4}


def dies_at_eight(folder, always=False):
    """A task that kills its own process the first time, or every time, that it meets 8."""

    def task(block, workers):
        marker = folder / "has died"
        if block == 8 and (always or not marker.exists()):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return block * block

    return task


def test_a_block_whose_worker_is_killed_is_done_again(cluster, tmp_path):
    assert dict(cluster(dies_at_eight(tmp_path), BLOCKS, Workers())) == dict(enumerate(n * n for n in BLOCKS))
    assert (tmp_path / "has died").exists()


def test_a_block_that_kills_every_worker_is_an_error(cluster, tmp_path):
    with pytest.raises(ray.exceptions.WorkerCrashedError):
        list(Ray(retries=1)(dies_at_eight(tmp_path, always=True), BLOCKS, Workers()))


def test_blocks_are_sent_a_few_at_a_time(cluster, tmp_path):
    """Who stops listening stops the work: most of the blocks are never begun."""

    def task(block, workers):
        (tmp_path / str(block)).touch()

    results = cluster(task, range(100), Workers())
    next(results)
    results.close()
    assert 1 <= len(list(tmp_path.iterdir())) <= 10


def test_what_no_machine_can_hold_is_refused(cluster):
    with pytest.raises(ValueError, match="no machine of the cluster has over 2 cpus"):
        list(cluster(squared, BLOCKS, Workers(3)))


def test_a_cluster_that_was_there_is_left_running(cluster):
    list(cluster(squared, BLOCKS, Workers()))
    assert ray.is_initialized()


@pytest.mark.parametrize("options", [{"cpus": 0}, {"retries": -1}])
def test_engines_without_workers_are_refused(options):
    with pytest.raises(ValueError, match="cpus >= 1 and retries >= 0"):
        Ray(**options)


def test_fewer_than_one_thread_is_refused(cluster):
    with pytest.raises(ValueError, match="threads must be at least 1"):
        list(cluster(squared, BLOCKS, Workers(0)))


def test_without_ray_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'tombola\[ray\]'"):
        list(Ray()(squared, BLOCKS, Workers()))
