"""The Python of the page on transfer runs, and comes to what the page says."""

import re
from pathlib import Path

import pytest
import torch

PAGE = (Path(__file__).parents[2] / "docs" / "transfer.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def names():
    found: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "transfer.md", "exec"), found)
    return found


def test_recoveries_are_measured_at_two_budgets(names):
    for found in (names["short"], names["long"]):
        assert found.refusals[0] == "one seed only: no intervals"
        assert found.room > 0.05
    said = re.search(r"recovery is about ([\d.]+) after 200 steps and ([\d.]+) after\n600", PAGE)
    for found, shown in zip((names["short"], names["long"]), said.groups(), strict=True):
        assert found.value == pytest.approx(float(shown), abs=0.15)  # about: other processors round otherwise


def test_maps_are_those_that_are_said(names):
    assert all(f"`{one}`" in PAGE for one in names["maps"])
    stretched, by_hand = names["stretched"], names["by_hand"]
    assert names["count"](stretched.masks) == 0
    assert list(stretched.masks) == ["stage1.block2.conv1.weight", "stage1.block6.conv1.weight"]
    values = by_hand.model.state_dict()
    assert all(value.equal(values[name]) for name, value in stretched.model.state_dict().items())


def test_the_rule_is_as_said(names):
    prediction = names["prediction"]
    assert prediction.verdict == "transfers"
    assert prediction.cannot_see
    said = [float(number) for number in re.findall(r"is (?:no more than|at least) ([\d.]+\d)", PAGE)]
    from tombola.transfer import Rule

    assert said == [Rule().deficit, Rule().least_signal]


def test_the_mirrored_task_is_vetoed(names):
    assert names["abroad"].is_vetoed
    assert names["at_home"].error < 0.6 < names["abroad"].error
    torch.testing.assert_close(names["opposite"][0], -names["opposite"][1])
