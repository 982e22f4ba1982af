"""The code of the page on other formats runs, and its own assertions hold."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "other-formats.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in BLOCKS:
        exec(compile(block, "other-formats.md", "exec"), names)
    assert sum("assert " in block for block in BLOCKS) == len(BLOCKS) - 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.pth", "sparse-gpt"]
