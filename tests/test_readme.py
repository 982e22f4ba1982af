"""What the README shows works as shown."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL):
        assert len(block.splitlines()) <= 12
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "small.ticket").exists()
    assert names["ticket"].certificate.bound > 0


def test_verbs_of_the_readme_exist():
    from tombola.cli._main import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    shown = set(re.findall(r"bin/tombola (\w+)", README.read_text()))
    assert shown
    assert shown <= known


def test_the_study_of_the_readme_is_that_of_the_page():
    from tombola.runs import read_study

    study = next(path for path in re.findall(r"tombola sweep (\S+)", README.read_text()))
    text = (README.parent / study).read_text()
    shown = (README.parent / "docs" / "sweeps.md").read_text().replace("    # for people; nothing depends on it", "")
    assert text.partition("\n")[2] in shown
    assert len(read_study(README.parent / study).cells) == 6
