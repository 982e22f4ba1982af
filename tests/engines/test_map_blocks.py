import threading

import pytest

from tombola.engines import available_cores, map_blocks


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_results_come_in_the_order_of_the_blocks(threads):
    assert map_blocks(lambda block: 10 * block, iter([3, 1, 2]), threads=threads) == [30, 10, 20]


def test_no_blocks_give_no_results():
    assert map_blocks(len, [], threads=3) == []


def test_two_threads_work_at_the_same_time():
    meeting = threading.Barrier(2, timeout=20)  # breaks unless both blocks are under way at once
    assert map_blocks(lambda block: (meeting.wait(), block)[1], ["a", "b"], threads=2) == ["a", "b"]


def test_one_thread_works_in_the_callers_own():
    assert map_blocks(lambda _: threading.get_ident(), range(3), threads=1) == [threading.get_ident()] * 3


@pytest.mark.parametrize("threads", [1, 2])
def test_the_exception_of_a_block_is_raised(threads):
    with pytest.raises(ZeroDivisionError):
        map_blocks(lambda block: 1 // block, [1, 0], threads=threads)


@pytest.mark.parametrize("threads", [0, -1])
def test_fewer_than_one_thread_is_refused(threads):
    with pytest.raises(ValueError, match="at least 1"):
        map_blocks(len, ["a"], threads=threads)


def test_there_is_a_core_and_there_are_no_more_than_the_machine_has():
    import os

    assert 1 <= available_cores() <= os.cpu_count()
