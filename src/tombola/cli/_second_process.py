"""A second process that verifies tickets from their files while the first builds the next one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

COMMAND = [sys.executable, "-c", "from tombola.cli._second_process import serve; serve()"]


class SecondProcess:
    """Verifies what it is asked to, one ticket after the other, sharing nothing with this process but files.

    Used as a context; at its end, however that comes, the process is ended too. Ctrl-C reaches only this process.

    Example:
        >>> with SecondProcess() as second:
        ...     second.ask(Path("no.ticket"), Path("no.safetensors"))
        ...     second.answer()
        Traceback (most recent call last):
        ValueError: the second process could not verify no.ticket: [Errno 2] No such file or directory: 'no.ticket'
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._asked: list[Path] = []

    def __enter__(self) -> SecondProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.communicate()

    def ask(self, ticket: Path, target: Path) -> None:
        """Begins to verify a ticket against a target; does not wait."""
        assert self._process.stdin is not None
        self._asked.append(ticket)
        with suppress(BrokenPipeError):  # then there is no answer, which says more
            self._process.stdin.write(json.dumps([str(ticket), str(target)]) + "\n")
            self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What came out for the ticket that was asked for first among those without an answer.

        Raises:
            ValueError: if it could not be verified.
        """
        assert self._process.stdout is not None
        ticket, line = self._asked.pop(0), self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise ValueError(f"the second process could not verify {ticket}: {answer['error']}")
        return answer


def serve() -> None:
    """Answers every line of standard input with a line on standard output."""
    from tombola import data, verification  # noqa: F401 - while the first process still has nothing to ask
    from tombola.cli._verify import verified

    for line in sys.stdin:
        try:
            ticket, target = map(Path, json.loads(line))
            answer = verified(ticket, target).to_json()
        except Exception as error:  # whatever it is, the first process has to hear of it
            answer = {"error": str(error) or type(error).__name__}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
