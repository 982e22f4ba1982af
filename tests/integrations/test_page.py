"""The code of the page on other trainers runs, and does what the page says."""

import re
from pathlib import Path

import pytest
from tests.integrations.trainers import WARNINGS, bits, is_pruned

PAGE = (Path(__file__).parents[2] / "docs" / "other-trainers.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
OTHERS = (
    "ignore:Starting from v1.9.0, `tensorboardX` has been removed:UserWarning",
    "ignore:The number of training batches:UserWarning",
    "ignore:'pin_memory' argument is set as true:UserWarning",
    "ignore:The dirpath has changed from:UserWarning",
    "ignore:Checkpoint directory .* exists and is not empty:UserWarning",
)
pytestmark = [pytest.mark.filterwarnings(line) for line in (*WARNINGS, *OTHERS)]


def test_no_block_is_longer_than_fifteen_lines():
    assert len(BLOCKS) == 8
    assert max(sum(map(bool, block.splitlines())) for block in BLOCKS) <= 15


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "other-trainers.md", "exec"), names)
    assert is_pruned(names["model"], names["masks"])
    assert is_pruned(names["bert"], names["kept"])
    assert names["trainer"].state.global_step == 10
    for level in (*names["levels"], *names["others"]):
        parameters = dict(level.model.named_parameters())
        assert all(not parameters[name][~mask].any() for name, mask in level.masks.items())
        assert not bits(level.model).equal(bits(level.begun))
    shown = re.search(r"# (\[.*\])", BLOCKS[-1])[1]
    assert capsys.readouterr().out.splitlines()[-1] == shown
