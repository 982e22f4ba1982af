import io
import json
import math

import numpy as np
import pytest

from tombola.cli._output import file_size, print_json, print_next, print_table, shown


class Terminal(io.StringIO):
    """Standard output as if it were a terminal."""

    def isatty(self):
        return True


def test_a_table_is_a_title_and_aligned_columns(capsys):
    print_table("figures", [["weights", 1234567], ["error", 0.01234567]])
    assert capsys.readouterr().out == "figures\n  weights  1,234,567\n  error      0.01235\n"


def test_a_header_is_set_apart(capsys):
    print_table("both", [["seed", 1, 2]], header=["", "a", "b"])
    assert capsys.readouterr().out.splitlines() == ["both", "         a   b", " ──────────────", "  seed   1   2"]


def test_a_stream_that_knows_ascii_only_gets_ascii(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii"))
    print_table("é", [["seed", 1]], header=["", "a"])
    assert raw.getvalue().splitlines() == [b"?", b"         a", b" ----------", b"  seed   1"]


def test_text_is_shown_as_it_is(capsys):
    print_table("names", [["[bold]x[/bold]", ":smile: [3,17]"]])
    assert "[bold]x[/bold]  :smile: [3,17]" in capsys.readouterr().out


def test_a_file_gets_long_lines_and_a_terminal_folds_them(capsys, monkeypatch):
    rows = [["path", "/a/folder" * 20]]
    print_table("t", rows)
    assert "/a/folder" * 20 in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    print_table("t", rows)
    assert max(map(len, terminal.getvalue().splitlines())) <= 80


def test_json_is_one_line_and_has_no_numbers_that_json_lacks(capsys):
    print_json({"a": math.inf, "b": [np.float32(0.5), math.nan], "c": np.int64(3), "d": True, "e": None, "f": ("x",)})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"a": None, "b": [0.5, None], "c": 3, "d": True, "e": None, "f": ["x"]}


def test_the_next_command_is_quoted_for_a_shell(capsys):
    print_next("tombola", "explain", "my ticket.ticket", "--weight", "fc1[3,17]")
    assert capsys.readouterr().out == "next: tombola explain 'my ticket.ticket' --weight 'fc1[3,17]'\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-1234, "-1,234"),
        (1e-30, "1e-30"),
        (123456.7, "123,457"),
        (1e57, "1e+57"),
        (math.inf, "inf"),
        ("x", "x"),
    ],
)
def test_numbers_have_as_many_digits_as_anyone_reads(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2.5e12, "2,500.0 GB")])
def test_file_sizes_have_a_unit(size, text):
    assert file_size(size) == text
