"""The figures of the study of iterative magnitude pruning are those that were recorded."""

import json
import re
from itertools import pairwise
from pathlib import Path

STUDY = Path(__file__).parents[1] / "experiments" / "imp"
RECORD = json.loads((STUDY / "result.json").read_text())
ROWS = re.findall(
    r"^\| ([\d.]+) \| ([\d.]+)[^|]*\| ([-+\d.]+)[^|]*\| ([\d.]+) \|$", (STUDY / "README.md").read_text(), re.MULTILINE
)


def test_every_row_of_the_readme_is_in_the_record():
    assert len(ROWS) == 5
    for (pruned, accuracy, change, published), number in zip(ROWS, (0, 5, 10, 15, 20), strict=True):
        row = RECORD["table"][f"level {number}"]
        assert abs(100 * (1 - row["density"]) - float(pruned)) < 0.06
        assert abs(row["accuracy"]["mean"] - float(accuracy)) < 0.006
        assert abs(row["change"]["mean"] - float(change)) < 0.006
        assert row["published"] == float(published)


def test_counts_fall_by_the_factor_and_seeds_are_said():
    for run in RECORD["runs"]:
        kept = [level["kept"] for level in run["levels"]]
        assert all(after == int(0.8 * before + 1e-9) for before, after in pairwise(kept))
    words = {1: "one seed", 2: "two seeds", 3: "three seeds", 4: "four seeds", 5: "five seeds"}
    assert words[len(RECORD["runs"])] in (STUDY / "README.md").read_text()


def test_the_front_page_says_the_same():
    front = (STUDY.parents[1] / "README.md").read_text()
    for number in (0, 10, 15, 20):
        accuracy = RECORD["table"][f"level {number}"]["accuracy"]
        assert f"{accuracy['mean']:.2f} ± {accuracy['ci95']:.2f} %" in front
