"""What a worker process of `Processes` does."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from ._workers import Workers

READY, PROGRESS, DONE, FAILED = "ready", "progress", "done", "failed"


def serve(connection: Connection, threads: int) -> None:
    """Receives a task, then blocks, and answers each with what it gives; ends when nobody listens any more.

    Args:
        connection: to the process that asks.
        threads: of linear algebra, and of the tasks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        task = _received_task(connection, threads)
        while task is not None:
            _answer(connection, *_outcome(connection, task, threads))
    except (EOFError, OSError):  # the other side has closed the connection
        return


def _received_task(connection: Connection, threads: int) -> Callable[[Any, Workers], Any] | None:
    """The task, once all is loaded that it needs; None if that fails, which has been told then."""
    packed = connection.recv_bytes()
    try:
        task = pickle.loads(packed)
        if "torch" in sys.modules:  # else it will ask the environment, which says the same
            sys.modules["torch"].set_num_threads(threads)
    except Exception as error:  # whatever it is, the other side has to hear of it
        _answer(connection, FAILED, portable(error))
        return None
    _answer(connection, READY, None)
    return task


def _outcome(connection: Connection, task: Callable[[Any, Workers], Any], threads: int) -> tuple[str, Any]:
    """What the next block gives."""
    packed = connection.recv_bytes()
    try:
        result = task(pickle.loads(packed), Workers(threads, partial(_answer, connection, PROGRESS)))
        pickle.dumps(result)
    except Exception as error:  # it is raised where the engine was called
        return FAILED, portable(error)
    return DONE, result


def _answer(connection: Connection, kind: str, content: object) -> None:
    connection.send_bytes(pickle.dumps((kind, content)))


def portable(error: Exception) -> Exception:
    """An error as it can be sent: itself if pickling keeps it, else one of the built-in class that it comes from.

    Example:
        >>> from tombola.errors import DataNotFoundError
        >>> portable(DataNotFoundError("mnist", ["/data/mnist.npz"], "put it there"))
        FileNotFoundError("no data set 'mnist'; looked for /data/mnist.npz; put it there")
    """
    with suppress(Exception):  # a class whose objects cannot be made of their message, or that is not known elsewhere
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    kinds = [kind for kind in type(error).__mro__ if kind.__module__ == "builtins" and kind is not Exception]
    message = str(error) if kinds[0] is not BaseException else f"{type(error).__name__}: {error}"
    return (kinds[0] if issubclass(kinds[0], Exception) else RuntimeError)(message)


def _end_with_parent() -> None:
    """Ends this process when the one that started it is gone, whatever is under way."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
