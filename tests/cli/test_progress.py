import io
import threading
import time

import pytest

from tombola.cli import _progress
from tombola.cli._progress import progress


class Terminal(io.StringIO):
    """Standard error as if it were a terminal."""

    def isatty(self):
        return True


def wait_for(text, stream):
    """Waits until a stream has a text, for 20 seconds at most."""
    end = time.monotonic() + 20
    while text not in stream.getvalue():
        assert time.monotonic() < end
        time.sleep(0.01)


def listening(monkeypatch):
    """Standard error as a file, with lines as often as the clock allows; to be called in the test itself."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(_progress, "QUIET_SECONDS", 0.01)
    monkeypatch.setattr(_progress, "LINE_SECONDS", (0.01, 0.01))
    return stream


def test_short_work_shows_no_lines(capsys):
    with progress("work", "things") as report:
        report.add(5)
    assert capsys.readouterr() == ("", "")


def test_long_work_shows_lines_that_count(monkeypatch):
    stream = listening(monkeypatch)
    with progress("work", "things", text="warming up") as report:
        wait_for("work: warming up, ", stream)
        workers = [threading.Thread(target=report.add, args=(500,)) for _ in range(3)]
        for worker in workers:
            worker.start()
        wait_for("work: 1,500 things, ", stream)


def test_steps_of_a_known_number_are_named(monkeypatch):
    stream = listening(monkeypatch)
    with progress("training") as report:
        report.reach(3, 10, "loss 0.5")
        wait_for("training: 3 of 10, loss 0.5, ", stream)


def test_lines_end_with_the_work_even_if_it_fails(monkeypatch):
    stream = listening(monkeypatch)
    with pytest.raises(KeyError), progress("work"):
        raise KeyError
    time.sleep(0.05)
    before = stream.getvalue()
    time.sleep(0.05)
    assert stream.getvalue() == before


def test_a_terminal_gets_one_line_that_vanishes(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("constructing", "weights placed", text="kernels") as report:
        report.add(1234)
        report.add(1)
        wait_for("1,235 weights placed", terminal)
        report.reach(1, 2, "half")
        wait_for("half", terminal)
    assert terminal.getvalue().endswith("\x1b[2K")  # the line is wiped
