"""The page of the study of stretched tickets says what was recorded."""

import json
import subprocess
import sys
from pathlib import Path

STUDY = Path(__file__).parents[1] / "experiments" / "elastic"
README = (STUDY / "README.md").read_text()
RECORD = json.loads((STUDY / "result.json").read_text())


def test_the_table_of_the_page_is_that_of_the_record():
    words = [sys.executable, str(STUDY / "run.py"), "--table"]
    table = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert table.count("\n|") == len(RECORD["table"]) + 1
    assert table.strip() in README


def test_every_seed_has_every_network_at_equal_densities():
    for run in RECORD["runs"]:
        rows = {(row["depth"], row["method"], row["level"]): row for row in run["rows"]}
        assert rows.keys() == {(row["depth"], row["method"], row["level"]) for row in RECORD["runs"][0]["rows"]}
        for (depth, method, level), row in rows.items():
            if method != "dense":
                own = rows[depth, "its own ticket", level]["density"]
                exact = not method.startswith("from")  # blocks that are copied have densities of their own
                assert abs(row["density"] / own - 1) < (1e-3 if exact else 0.25)


def test_all_seeds_are_recorded_and_said():
    assert [run["seed"] for run in RECORD["runs"]] == RECORD["config"]["seeds"] == [0, 1, 2, 3, 4]
    assert "Five seeds" in README
