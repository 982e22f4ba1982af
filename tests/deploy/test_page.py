"""The code of the page on smaller and faster models runs, and its own assertions hold."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "deploy.md", "exec"), names)
    assert names["outputs"].shape == (64, 10)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["1", "64"]
