"""Blocks in worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tombola.errors import TombolaError

from ._map_blocks import available_cores
from ._worker_process import DONE, FAILED, PROGRESS, READY, serve
from ._workers import Workers

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GUARD = "a script that uses Processes does its work below `if __name__ == '__main__':`, and is a file"


class WorkerDiedError(TombolaError, RuntimeError):
    """Every worker that was given a block has died.

    Attributes:
        number: of the block.
        deaths: how many workers it has cost.
    """

    def __init__(self, number: int, deaths: int, status: int | None) -> None:
        self.number, self.deaths = number, deaths
        how = f"signal {-status}" if status is not None and status < 0 else f"exit code {status}"
        advice = "; out of memory, perhaps" if status == -9 else ""
        super().__init__(f"block {number} has cost {deaths} worker processes, the last by {how}{advice}")


@dataclass(frozen=True)
class Processes:
    """The engine that has every block done by one of several worker processes of this machine.

    Processes are started afresh (`spawn`), so a task has to be one that can be pickled: a function of a module, or a
    `functools.partial` of one. Linear algebra in a worker has `workers.threads` threads, by default one. A block whose
    worker dies (killed, out of memory) is done again by another one: it gives the same bits. An exception that a block
    raises itself is raised here at once. Ctrl-C reaches this process alone; when it ends, however it ends, so do
    the workers.

    Args:
        count: how many workers there are; default: one per available core, divided by the threads of each.
        retries: how often a block is done again before the death of its worker is raised as a `WorkerDiedError`.

    Raises:
        ValueError: if there is less than one worker, or less than no retry.

    Example:
        >>> Processes(2)
        Processes(count=2, retries=3)
    """

    count: int | None = None
    retries: int = 3

    def __post_init__(self) -> None:
        if self.retries < 0 or (self.count is not None and self.count < 1):
            raise ValueError(f"Processes need count >= 1 and retries >= 0, got {self.count} and {self.retries}")

    def __call__(
        self, task: Callable[[Any, Workers], Any], blocks: Sequence[Any], workers: Workers
    ) -> Generator[tuple[int, Any], None, None]:
        """See `Engine`.

        Raises:
            TypeError: if the task cannot be pickled.
        """
        threads = 1 if workers.threads is None else workers.threads
        if threads < 1:
            raise ValueError(f"threads must be at least 1, got {threads}")
        count = self.count or max(1, available_cores() // threads)
        pool = _Pool(_pickled(task), threads, count, self.retries)
        try:
            yield from pool.results(deque(enumerate(blocks)), workers)
        finally:
            pool.close()


@dataclass
class _Worker:
    """A process, the connection to it, and the block that it has, as `(number, block)`."""

    process: BaseProcess
    connection: Connection
    work: tuple[int, Any] | None = None
    ready: bool = False
    items: int = 0


@dataclass
class _Pool:
    """Workers, how often each block has cost one, and how many items of each have been told."""

    task: bytes
    threads: int
    count: int
    retries: int
    workers: list[_Worker] = field(default_factory=list)
    deaths: dict[int, int] = field(default_factory=dict)
    told: dict[int, int] = field(default_factory=dict)

    def results(self, waiting: deque[tuple[int, Any]], workers: Workers) -> Iterator[tuple[int, Any]]:
        """Number and result of every block, as each is done."""
        while waiting or any(worker.work for worker in self.workers):
            self._hand_out(waiting)
            busy = {worker.connection: worker for worker in self.workers if worker.work}
            for connection in wait(list(busy)):
                worker = busy[connection]  # pyright: ignore[reportArgumentType] - `wait` is declared for more
                try:
                    kind, content = pickle.loads(worker.connection.recv_bytes())
                except (EOFError, OSError):
                    waiting.appendleft(self._buried(worker))
                    continue
                yield from self._heard(worker, kind, content, workers)

    def close(self) -> None:
        """Ends every worker, whatever it does."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.join()
            worker.connection.close()
        self.workers.clear()

    def _hand_out(self, waiting: deque[tuple[int, Any]]) -> None:
        """Gives waiting blocks to idle workers; more are started while there may be more."""
        while waiting:
            idle = next((worker for worker in self.workers if not worker.work), None)
            if idle is None:
                if len(self.workers) >= self.count:
                    return
                idle = self._started()
            work = waiting.popleft()
            idle.work, idle.items = work, 0
            packed = pickle.dumps(work[1])
            try:
                idle.connection.send_bytes(packed)
            except OSError:  # it died while it had nothing to do, and so costs the block nothing
                self._end(idle)
                _check_begun(idle)
                waiting.appendleft(work)

    def _started(self) -> _Worker:
        here, there = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=serve, args=(there, self.threads), daemon=True)
        with _environment(dict.fromkeys(THREADS, str(self.threads))), _no_interrupts():
            process.start()
        there.close()
        worker = _Worker(process, here)
        self.workers.append(worker)
        with suppress(OSError):  # it has ended already, as will be noticed when it is given a block
            worker.connection.send_bytes(self.task)
        return worker

    def _heard(self, worker: _Worker, kind: str, content: Any, workers: Workers) -> Iterator[tuple[int, Any]]:  # noqa: ANN401 - a result
        """What follows from a message."""
        assert worker.work
        number = worker.work[0]
        if kind == READY:
            worker.ready = True
        elif kind == PROGRESS:
            self._tell(worker, number, content, workers)
        elif kind == FAILED:
            raise content
        elif kind == DONE:
            worker.work = None
            yield number, content

    def _tell(self, worker: _Worker, number: int, items: int, workers: Workers) -> None:
        """Tells of items that are done; those that a dead worker has told are not told again."""
        worker.items += items
        new = worker.items - self.told.get(number, 0)
        if new > 0:
            self.told[number] = worker.items
            workers.progress(new)

    def _buried(self, worker: _Worker) -> tuple[int, Any]:
        """The block of a dead worker, if it may be done once more."""
        assert worker.work
        number = worker.work[0]
        self._end(worker)
        _check_begun(worker)
        self.deaths[number] = self.deaths.get(number, 0) + 1
        if self.deaths[number] > self.retries:
            raise WorkerDiedError(number, self.deaths[number], worker.process.exitcode)
        return worker.work

    def _end(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self.workers.remove(worker)


def _check_begun(worker: _Worker) -> None:
    """Raises RuntimeError if a worker that has ended had not begun: no block is to blame."""
    if not worker.ready:
        raise RuntimeError(f"a worker process ended before it could begin; {GUARD}")


def _pickled(task: Callable[[Any, Workers], Any]) -> bytes:
    try:
        return pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        wanted = "a function of a module, or a functools.partial of one"
        raise TypeError(f"Processes take a task that can be pickled, such as {wanted}: {error}") from error


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables that a process started in the block begins with; put back afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """A process started in the block does not hear Ctrl-C; this one hears it afterwards."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
