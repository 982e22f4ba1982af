"""A study in a file: the grid of a sweep as YAML."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._cell import Cell, unique
from ._grid import combinations


@dataclass(frozen=True)
class Study:
    """What a sweep is to run.

    Attributes:
        name: for people; nothing depends on it.
        cells: each once.
        twice: those that were listed more than once.
    """

    name: str
    cells: tuple[Cell, ...]
    twice: tuple[Cell, ...]


def read_study(path: str | os.PathLike[str]) -> Study:
    """The study in a YAML file: the entries that `grid` takes, and `name`.

    Only plain data are read: a tag that stands for an object is an error.

    Args:
        path: of the file.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no YAML, no mapping, names an entry twice, or says what `grid` refuses.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "study.yaml"
        >>> _ = path.write_text("{data: digits, model: 'mlp:64-20-10', steps: 100, seed: [0, 1, 1]}")
        >>> study = read_study(path)
        >>> study.name, len(study.cells), len(study.twice)
        ('study', 2, 1)
    """
    path = Path(path)
    content = _yaml(path)
    name = content.pop("name", path.stem)
    try:
        if not isinstance(name, str):
            raise ValueError(f"name is a text, got {name!r}")
        found = combinations(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    times, cells = Counter(cell.name for cell in found), unique(found)
    return Study(name, tuple(cells), tuple(cell for cell in cells if times[cell.name] > 1))


def _yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not plain YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        kind = "nothing" if content is None else f"a {type(content).__name__}"
        raise ValueError(f"{path} holds {kind}; a study is a mapping, as in `data: digits`")
    assert isinstance(root, yaml.MappingNode)
    names = Counter(str(key.value) for key, _ in root.value)
    if twice := [name for name, times in names.items() if times > 1]:
        raise ValueError(f"{path} has more than one entry {twice[0]!r}; write its values as one list")
    return content
