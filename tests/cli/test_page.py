"""The commands of the page on the command line do what the page shows, up to the figures."""

import re
import shlex
from pathlib import Path

import pytest

from tombola.cli._demo import ROWS

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
FIGURE = re.compile(r"[-+]?\d[\d,]*(\.\d+)?(e[-+]?\d+)?( (B|kB|MB))?")
COMMANDS = [
    part.partition("\n")[::2]
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]


def without_figures(text):
    """A text as it is on any machine: without numbers, and with single blanks."""
    return [" ".join(FIGURE.sub("#", line).split()) for line in text.strip().splitlines()]


def test_every_command_of_the_page_prints_what_the_page_shows(tombola):
    assert len(COMMANDS) > 10
    for command, shown in COMMANDS:
        verb, _, reader = command.partition(" | ")
        result = tombola(*shlex.split(verb)[1:])
        if reader:  # it takes the JSON apart
            assert result.record["certificate"]["set"] == shown.strip()
            continue
        said = [line for line in result.err.splitlines(keepends=True) if line.startswith("tombola: ")]
        found, wanted = without_figures(result.out + "".join(said)), without_figures(shown)
        rows = slice(-2 if "explain" in command else None, None)  # of how many terms a weight is made is chance
        assert found[rows] == wanted[rows], command


@pytest.mark.parametrize("label", ROWS)
def test_the_figures_of_the_demo_are_on_the_page(label):
    assert label.format(set="[0, 1]^64") in PAGE


def test_every_verb_has_an_example_on_the_page(tombola):
    listed = re.findall(r"^  ([\w-]+)  ", tombola("--help").out.partition("Commands:")[2], re.MULTILINE)
    assert listed
    assert [verb for verb in listed if f"$ tombola {verb}" not in PAGE] == []
