"""The figures of the study of drawn masks are those that were recorded, which follow from the single networks."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "experiments" / "sketching"
RECORD = json.loads((STUDY / "result.json").read_text())
README = (STUDY / "README.md").read_text()
TABLE = RECORD["table"]


def _accuracies(part, method, density):
    seeds = [one["rows"] for one in RECORD["runs"] if one["part"] == part]
    return np.array(
        [row["accuracy"] for rows in seeds for row in rows if (row["method"], row["density"]) == (method, density)]
    )


def _same(found, values):
    """Whether an interval is Student's, of these values."""
    assert len(values) > 1
    assert found["mean"] == pytest.approx(np.mean(values))
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    assert found["ci95"] == pytest.approx(half)


@pytest.mark.parametrize("part", TABLE)
def test_intervals_follow_from_the_networks(part):
    for row in TABLE[part]["networks"]:
        _same(row["accuracy"], _accuracies(part, row["method"], row["density"]))
    for row in TABLE[part]["differences"]:
        one, other = (_accuracies(part, row[key], row["density"]) for key in ("method", "less"))
        _same(row["difference"], one - other)


@pytest.mark.parametrize("part", TABLE)
def test_verdicts_follow_from_the_intervals(part):
    for row in TABLE[part]["differences"]:
        low = row["difference"]["mean"] - row["difference"]["ci95"]
        high = row["difference"]["mean"] + row["difference"]["ci95"]
        wanted = "better" if low > 0 else "worse" if high < 0 else "no worse" if low >= -0.3 else "open"
        assert row["verdict"] == wanted


def test_the_readme_has_the_tables_of_the_record():
    done = subprocess.run([sys.executable, STUDY / "run.py", "--table"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in README


def test_every_part_has_all_its_seeds_and_exact_counts():
    for part, found in TABLE.items():
        seeds = sorted(one["seed"] for one in RECORD["runs"] if one["part"] == part)
        assert seeds == list(range(found["seeds"]))
    kept = {(one["part"], row["density"], row["kept"]) for one in RECORD["runs"] for row in one["rows"][1:]}
    assert len(kept) == len({(part, density) for part, density, _ in kept})


def test_the_front_page_says_the_same():
    front = (ROOT / "README.md").read_text()
    for density in (0.02, 0.005):
        for method in ("SynFlow, T = 1", "SynFlow, 100 rounds"):
            values = _accuracies("mnist", method, density)
            half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
            assert f"{np.mean(values):.1f} ± {half:.1f} %" in front
