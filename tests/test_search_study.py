"""The figures of the study of searched masks are those that were recorded."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "experiments" / "search"
RECORD = json.loads((STUDY / "result.json").read_text())


def test_the_readme_has_the_table_of_the_record():
    done = subprocess.run([sys.executable, STUDY / "run.py", "--table"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in (STUDY / "README.md").read_text()


def test_intervals_follow_from_the_searches():
    for name, row in RECORD["table"].items():
        part, cell = name.split(": ")
        found = [one["rows"] for one in RECORD["runs"] if one["part"] == part]
        values = [next(each["accuracy"] for each in rows if each["cell"] == cell) for rows in found]
        half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
        assert row["accuracy"]["mean"] == pytest.approx(np.mean(values))
        assert row["accuracy"]["ci95"] == pytest.approx(half)


def test_the_page_says_the_same():
    page = (ROOT / "docs" / "search.md").read_text()
    gate = RECORD["table"]["gate: edge-popup, signed constant, density 0.5"]["accuracy"]
    assert f"{gate['mean']:.2f} ± {gate['ci95']:.2f} %" in page
    normal = RECORD["table"]["mnist: edge-popup, normal, density 0.5"]["gain"]
    assert f"{-normal['mean']:.2f} ± {normal['ci95']:.2f} points better" in page
    again = RECORD["table"]["mnist: iterand, signed constant, density 0.5"]["gain"]
    assert f"{-again['mean']:.2f} ± {again['ci95']:.2f} points behind" in page
