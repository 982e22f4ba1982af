"""Every source that the code or the documentation refers to is in the list of references, once and in order."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "papers.md").read_text()
LIST = PAGE.partition("## References")[2]
ENTRIES = [re.findall(r"\[(\w+)\]", heads) for heads in re.findall(r"^- ((?:\[\w+\],? )+)", LIST, re.MULTILINE)]
KEYS = [key for keys in ENTRIES for key in keys]
KEY = re.compile(r"\b(?:de|da)?[A-Z][A-Za-z]+(?:19|20)\d\d[a-z]?\b")


def cited(text):
    """The keys in brackets, one or several, perhaps with a place."""
    return {key for inside in re.findall(r"\[([^\[\]]+)\]", text) for key in KEY.findall(inside)}


def texts():
    """The documentation but for the list itself, and the code, by path."""
    found = {path: path.read_text() for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/**/*.md")]}
    found[ROOT / "docs" / "papers.md"] = PAGE.partition("## References")[0]
    return {str(path.relative_to(ROOT)): text for path, text in found.items()}


def test_keys_are_found_in_all_forms():
    text = "A word [deJorge2021], three [Su2020, Frankle2021, Lee2019], one [Pensia2020, Thm. 1]; no `x[At2]`, [1, 2]."
    assert cited(text) == {"deJorge2021", "Su2020", "Frankle2021", "Lee2019", "Pensia2020"}


def test_every_key_that_is_cited_is_in_the_list():
    missing = {path: sorted(cited(text) - set(KEYS)) for path, text in texts().items() if cited(text) - set(KEYS)}
    assert missing == {}


def test_every_key_in_the_list_is_cited():
    assert set(KEYS) - set.union(*map(cited, texts().values())) == set()


def test_the_list_is_in_order_and_has_no_key_twice():
    assert len(KEYS) > 50
    assert len(KEYS) == len(set(KEYS))
    assert [keys[0].lower() for keys in ENTRIES] == sorted(keys[0].lower() for keys in ENTRIES)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(tests/[\w/.]+)`", PAGE))))
def test_a_test_that_a_row_names_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(experiments/\w+)`", PAGE))))
def test_an_experiment_that_a_row_names_is_there(path):
    assert list((ROOT / path).glob("*.py"))


def test_rows_have_as_many_cells_as_their_table():
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        assert len({line.count(" |") + line.count("|---") for line in table.splitlines()}) == 1, table[:80]
