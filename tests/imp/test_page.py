"""The Python of the page on iterative pruning runs, and comes to what the page says."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "iterative-pruning.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def names():
    found: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "iterative-pruning.md", "exec"), found)
    return found


@pytest.fixture(scope="module")
def error(names):
    """In per cent, of a network that the page names, or of the last one of a level."""
    return lambda name: 100 * names["error"](getattr(names[name], "model", names[name]))


def test_blocks_are_short():
    assert len(BLOCKS) == 8
    assert max(len(block.strip().splitlines()) for block in BLOCKS) <= 15


def test_levels_keep_what_is_said(names, error):
    said = re.search(r"`levels\[4\]` keeps ([\d.]+) % of the weights, `levels\[6\]` ([\d.]+) %", PAGE)
    assert [f"{100 * names['levels'][k].density:.1f}" for k in (4, 6)] == list(said.groups())
    assert names["ticket"] is names["levels"][6]
    for name in ("one_shot", "back_to_20", "tuned"):
        assert names[name].density == 0.2
        assert error(name) < 10


def test_controls_have_the_errors_that_are_said(error):
    said = re.search(
        r"about (\d+) % \(dense: \d+ %\); with new weights (\d+) %, with other\s+masks (\d+) %, and (\d+) %", PAGE
    )
    names = ("ticket", "new_weights", "new_masks", "old_signs")
    for name, shown in zip(names, said.groups(), strict=True):
        assert error(name) == pytest.approx(float(shown), abs=4), name  # about: other processors round otherwise
    assert error("ticket") < error("new_weights") < error("new_masks")


def test_the_ticket_is_stable_and_dense_levels_lie_in_one_valley(names):
    (measured,) = names["point"].tried
    assert names["point"].step == measured.step == 0
    assert measured.height < 0.02
    assert measured.error < 0.15
    assert len(names["heights"]) == 10
    assert max(names["heights"][:3]) < 0.02


def test_the_density_for_an_error_lies_between_levels_around_it(names):
    low, density, high = names["low"], names["density"], names["high"]
    assert low <= density <= high
    around = [level.density for level in names["levels"] if 0.07 < names["error"](level.model) < 0.4]
    assert min(around) < low <= high < max(around)


def test_the_bird_and_the_sculpture(names, error):
    assert names["bird"].found
    assert names["bird"].step < 200
    assert error("from_bird") < 10
    assert (names["start"].density, names["sculpted"].density) == (0.3, 0.1)
    assert error("sculpted") < 10
