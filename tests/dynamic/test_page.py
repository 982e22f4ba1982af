"""The page's code runs, and its figures are those that were recorded."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dynamic-sparse-training.md").read_text()
README = (ROOT / "experiments" / "dynamic" / "README.md").read_text()
TABLE = json.loads((ROOT / "experiments" / "dynamic" / "result.json").read_text())["table"]
ROWS = sorted({name.rpartition(", ")[0] for name in TABLE} - {""})


def numbers(page, label):
    row = re.search(rf"^\| {re.escape(label)}(?: \[.*?\])? \| (.*) \|$", page, re.MULTILINE)
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", row[1])]


def test_the_code_of_the_page_runs():
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    assert len(code.splitlines()) <= 15
    space = {}
    exec(compile(code, "docs/dynamic-sparse-training.md", "exec"), space)
    dynamic, masks = space["dynamic"], space["masks"]
    assert dynamic.updates == 7
    assert 0.05 < dynamic.explored < 0.2
    assert {name: int(mask.sum()) for name, mask in dynamic.masks.items()} == {
        name: int(mask.sum()) for name, mask in masks.items()
    }


@pytest.mark.parametrize("page", [PAGE, README], ids=["page", "readme"])
@pytest.mark.parametrize("method", ROWS)
def test_a_row_is_the_recorded_one(page, method):
    wanted = []
    for density in ("5%", "2%"):
        row = TABLE[f"{method}, {density}"]
        accuracy, explored = row["accuracy"], row["explored"]
        wanted += [accuracy["mean"], accuracy["ci95"], explored["mean"]]
    assert numbers(page, method) == [pytest.approx(value, abs=0.0501) for value in wanted]


@pytest.mark.parametrize("page", [PAGE, README], ids=["page", "readme"])
def test_the_dense_network_is_the_recorded_one(page):
    accuracy = TABLE["dense"]["accuracy"]
    assert numbers(page, "dense")[:2] == [pytest.approx(accuracy[key], abs=0.0501) for key in ("mean", "ci95")]
