"""The figures of the guide are those that were recorded, and its commands and its code work."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULT = json.loads((ROOT / "experiments" / "parents" / "result.json").read_text())
PAGE = (ROOT / "docs" / "how-to-choose.md").read_text()
DETAILS = {
    "widest layer": "widest layer",
    "parent per weight": "tolerance 0.01",
    "kept per weight": "kept per weight",
    "edges per sum": "edges per sum",
}
POINTS = ["tolerance 0.1", "tolerance 0.01", "tolerance 0.001", "width 16", "width 256"]
KINDS = {
    "parent, [0, 1]": "parent per weight, [0, 1]",
    "parent, [-1, 1]": "parent per weight, [-1, 1]",
    "kept, [0, 1]": "kept per weight, [0, 1]",
    "kept, [-1, 1]": "kept per weight, [-1, 1]",
    "proved, [0, 1]": "certificate, [0, 1]",
    "proved, [-1, 1]": "certificate, [-1, 1]",
    "missed": "failures, [-1, 1]",
}


def rows(first):
    """A table of the page as records, by the head of its first column."""
    lines = PAGE[PAGE.index(f"\n| {first} |") + 1 :].split("\n\n")[0].splitlines()
    head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(head, cells, strict=True)) for cells in body]


def shown(first, column):
    """One column of a table as numbers, None where there is a dash."""
    cells = {row[first].strip("`"): row[column] for row in rows(first)}
    return {name: None if cell == "-" else float(cell.replace(",", "")) for name, cell in cells.items()}


def recorded(table, column, among):
    means = {name: table[name][column] and table[name][column]["mean"] for name in among}
    return {name: mean if mean is None else pytest.approx(mean, rel=0.006) for name, mean in means.items()}


@pytest.mark.parametrize("column", DETAILS)
def test_constructions_are_as_recorded(column):
    found = shown("construction", column)
    assert set(found) == set(RESULT["table"]) - {"counting bound"}
    assert found == recorded(RESULT["table"], DETAILS[column], found)


@pytest.mark.parametrize("column", POINTS)
def test_parents_are_as_recorded(column):
    found = shown("parent per weight", column)
    assert set(found) == set(RESULT["table"])
    assert found == recorded(RESULT["table"], column, found)


def test_it_is_said_what_is_measured_and_what_is_theory():
    assert {row["parent per weight"].strip("`"): row["by"] for row in rows("parent per weight")} == RESULT["basis"]


@pytest.mark.parametrize("column", KINDS)
def test_kinds_of_parents_are_as_recorded(column):
    found = shown("parent of", column)
    assert set(found) == {name.replace("_", "-") for name in RESULT["kinds"]}
    kinds = {name.replace("_", "-"): row for name, row in RESULT["kinds"].items()}
    assert found == recorded(kinds, KINDS[column], found)


def test_parents_that_were_built_have_the_size_of_the_theory():
    for row in RESULT["table"].values():
        if row.get("parent per weight"):
            assert row["parent per weight"]["mean"] == pytest.approx(row["tolerance 0.01"]["mean"])


def test_commands_name_constructions_and_options_that_exist():
    from tombola.activations import parse_activation
    from tombola.strong import named_construction

    for name in re.findall(r"--construction (\S+)", PAGE):
        assert named_construction(name)
    for name in re.findall(r"--activation (\w\S+)", PAGE):
        assert parse_activation(name.strip("`,"))
    names = list(shown("construction", "parent per weight"))
    assert all(named_construction(name) for name in names)


def test_code_of_the_page_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(block, "how-to-choose.md", "exec"), names)
    assert names["ticket"].record["report"]["failures"] == 0
    assert capsys.readouterr().out.startswith("two_layer 4 ")


def test_a_shallow_certificate_is_a_few_times_the_attack_and_both_are_far_above_test_images():
    table = json.loads((ROOT / "experiments" / "two_layer" / "result.json").read_text())["table"]
    rows = [{key: one["mean"] for key, one in row.items()} for row in table.values()]
    rows = [row for row in rows if {"attack box", "rms output error"} <= row.keys()]
    assert len(rows) == 3
    assert all(2 < row["certificate box"] / row["attack box"] < 4 for row in rows)
    assert all(row["attack box"] > 10 * row["rms output error"] for row in rows)


def test_a_deep_certificate_says_nothing_but_its_layers_are_tight():
    path = ROOT / "experiments" / "real_networks" / "result.json"
    if not path.exists():
        pytest.skip("the study of real networks is not recorded")
    for row in json.loads(path.read_text())["table"].values():
        assert row["certificate"]["mean"] > row["output range"]["mean"]
        assert row["rms output error"]["mean"] < 1
        assert row["worst layer ratio"]["mean"] + row["worst layer ratio"]["ci95"] < 2
        assert abs(row["accuracy change"]["mean"]) + row["accuracy change"]["ci95"] < 0.5
