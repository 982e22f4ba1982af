"""The study of transfers has the rule of the package, and its page says what was recorded."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tombola.transfer import Rule

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "experiments" / "renormalization"
README, PAGE = (STUDY / "README.md").read_text(), (ROOT / "docs" / "transfer.md").read_text()
RECORD = json.loads((STUDY / "result.json").read_text())


def test_the_thresholds_of_the_page_are_those_of_the_rule():
    signal, deficit = re.search(r"at least ([\d.]+) and no more than\n([\d.]+) below", README).groups()
    assert (Rule().least_signal, Rule().deficit) == (float(signal), float(deficit))


def test_the_tables_of_the_page_are_those_of_the_record():
    words = [sys.executable, str(STUDY / "run.py"), "--table"]
    tables = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert tables.count("\n|") > 80
    assert tables.strip() in README


@pytest.mark.parametrize("part", ["lenet", "conv"])
def test_all_seeds_and_transfers_are_recorded(part):
    runs = [run for run in RECORD["runs"] if run["part"] == part]
    config = RECORD["config"]
    assert [run["seed"] for run in runs] == config["seeds"]
    carried = [run["seed"] for run in runs if "transfers" in run]
    assert carried == config["transfer_seeds"]
    tasks = list(config["tasks"])
    for run in runs[: len(carried)]:
        pairs = {(one["source"], one["target"]) for one in run["transfers"] if one["source"]}
        assert pairs == {(source, target) for source in tasks for target in tasks}


def test_what_the_page_on_transfer_says_of_it():
    said = re.findall(r"\| the rule \| (\d+) of (\d+) \|", README)
    assert [yes for yes, _ in said] == ["0", "0"]
    assert f"each of {sum(int(pairs) for _, pairs in said)} pairs" in PAGE
