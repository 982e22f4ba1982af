"""The Python of the page on pruning at initialisation runs, and comes to what the page says."""

import re
from pathlib import Path

import pytest

from tombola.masks import count

PAGE = (Path(__file__).parents[2] / "docs" / "pruning-at-initialisation.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def names():
    found: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "pruning-at-initialisation.md", "exec"), found)
    return found


def test_blocks_are_short():
    assert len(BLOCKS) == 5
    assert max(len(block.strip().splitlines()) for block in BLOCKS) <= 10


def test_as_many_weights_stay_as_is_said(names):
    said = re.search(r"5 % of the weights stay: ([\d,]+) of ([\d,]+)\.", PAGE)
    kept, total = (int(number.replace(",", "")) for number in said.groups())
    for masks in ("masks", "flow", "chance", "drawn", "large", "shuffled", "upside_down"):
        assert count(names[masks]) == kept, masks
        assert sum(mask.numel() for mask in names[masks].values()) == total
    assert (names["saved"].kept_multiply_adds, names["saved"].multiply_adds) == (kept, total)


def test_what_is_left_learns(names):
    assert names["accuracy"] > 0.8


def test_magnitude_cuts_the_network_in_two_and_synflow_strands_hardly_a_weight(names):
    assert names["densities"]["magnitude"] == 0
    assert int(names["large"]["fc2.weight"].sum()) == 0
    assert names["large"]["fc2.weight"].numel() == 30_000
    assert names["densities"]["synflow"] > 0.98 * 0.05
    assert all(0 < names["densities"][name] <= 0.05 for name in ("snip", "synflow", "random"))


def test_controls_are_what_they_say(names):
    masks, mixed = names["masks"], names["shuffled"]
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {n: int(m.sum()) for n, m in mixed.items()}
    assert not any((mask & names["upside_down"][name]).any() for name, mask in masks.items())
    assert not names["redrawn"].fc1.weight.equal(names["net"].fc1.weight)
