"""The cells of a study: every combination of what it lists."""

from __future__ import annotations

import itertools
import math
import os
import reprlib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tombola import data as datasets

from ._cell import Cell, check_known, unique
from ._imp_settings import ImpSettings
from ._methods import METHODS, reset_of

MOST_CELLS = 100_000
TYPES = {name: kind for name, kind in typing.get_type_hints(ImpSettings).items() if name != "reset"}
LISTS = [name for name, kind in TYPES.items() if typing.get_origin(kind) is tuple or "tuple" in str(kind)]
NEEDED = ("data", "model", "steps")
WORDS = {int: "an integer", float: "a number", str: "a text", bool: "true or false", type(None): "null"}


def grid(study: Mapping[str, Any]) -> list[Cell]:
    """The cells of a study, in the order in which they are listed; a cell that is listed twice stands there once.

    A list is an axis: every combination of all axes is a cell. `densities` and `exclude` are lists themselves; for them
    a list of lists is an axis.

    Args:
        study: `data`, `model` and `steps`, `method` (default: "imp") and any setting of `ImpSettings` but `reset`,
            which follows from the method. Under `grids` a list of mappings with the same entries: each is a grid of its
            own, and has what stands beside `grids` as well, unless it says something else.

    Raises:
        ValueError: if an entry is unknown, missing, of the wrong type or out of range, or there is nothing to run.

    Example:
        >>> study = {"data": "digits", "model": "mlp:64-20-10", "steps": 100, "seed": [0, 1], "densities": [0.5, 0.1]}
        >>> [cell.describe() for cell in grid(study)]
        ['imp, mlp:64-20-10 on digits, seed 0', 'imp, mlp:64-20-10 on digits, seed 1']
        >>> len(grid({**study, "densities": [[0.5, 0.1], [0.2]], "method": ["imp", "one-shot"]}))
        8
    """
    return unique(combinations(study))


def combinations(study: Mapping[str, Any]) -> list[Cell]:
    """All cells of a study, those that are listed twice twice."""
    shared = {name: value for name, value in study.items() if name != "grids"}
    parts = study.get("grids", [{}])
    if not (isinstance(parts, list | tuple) and parts and all(isinstance(part, Mapping) for part in parts)):
        raise ValueError(f"grids is a list of mappings, each with entries of its own; got {_shown(parts)}")
    axes = [_axes({**shared, **part}) for part in parts]
    cells = sum(math.prod(map(len, found.values())) for found in axes)
    if cells > MOST_CELLS:
        raise ValueError(f"the study has {cells:,} cells; {MOST_CELLS:,} are the most")
    return [
        _cell(dict(zip(found, values, strict=True))) for found in axes for values in itertools.product(*found.values())
    ]


def _axes(entries: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of each entry, checked one by one."""
    for name in entries:
        if name == "reset":
            raise ValueError(f"reset follows from the method; write method: [{', '.join(METHODS)}]")
        check_known("setting", name, ["data", "method", *TYPES])
    for name in NEEDED:
        if name not in entries:
            raise ValueError(f"the study says nothing of {name!r}; it needs {', '.join(NEEDED)}")
    axes = {name: _values(name, value) for name, value in entries.items()}
    for name in axes.setdefault("method", ["imp"]):
        check_known("method", name, METHODS)
    for name in axes["data"]:
        _check_data(name)
    return axes


def _values(name: str, value: object) -> list[Any]:
    """The values along an axis; an entry that is no list is an axis with one value."""
    if name in LISTS:
        return _lists(name, value)
    values = list(value) if isinstance(value, list | tuple | range) else [value]
    if not values:
        raise ValueError(f"{name} is an empty list: there is nothing to run")
    return [_typed(name, item, TYPES.get(name, str)) for item in values]


def _lists(name: str, value: object) -> list[Any]:
    """The values along the axis of a setting that is a list itself."""
    if value is None:
        return [_typed(name, None, TYPES[name])]
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name} is a list, even of one: write {name}: [{value}]; got {_shown(value)}")
    are_lists = {isinstance(item, list | tuple) for item in value}
    if len(are_lists) > 1:
        both = f"write {name}: [a, b] for one value, {name}: [[a, b], [c]] for two values of the grid"
        raise ValueError(f"{name} mixes lists with others; {both}; got {_shown(value)}")
    return [_typed(name, tuple(item), TYPES[name]) for item in (value if are_lists == {True} else [value])]


def _typed(name: str, value: object, kind: Any) -> Any:  # noqa: ANN401 - types and values of settings
    """A value in the type of its setting: whole numbers are numbers, and lists are tuples.

    Raises:
        ValueError: if it is of another type.
    """
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for wanted in kinds:
        if typing.get_origin(wanted) is tuple and isinstance(value, tuple):
            return tuple(_typed(name, item, typing.get_args(wanted)[0]) for item in value)
        if wanted is float and type(value) is int:
            return float(value)
        if type(value) is wanted:
            return value
    words = " or ".join(WORDS.get(wanted, "a list") for wanted in kinds)
    raise ValueError(f"{name} is {words}, got {_shown(value)}{_advice(name, value, kinds)}")


def _advice(name: str, value: object, kinds: tuple[Any, ...]) -> str:
    if isinstance(value, str) and float in kinds and _is_number(value):
        return "; that is a text in YAML, which wants a point and a sign: 1.0e-1"
    if isinstance(value, list | tuple):
        return f"; {', '.join(LISTS)} are the settings that are lists themselves"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_data(name: str) -> None:
    """Raises ValueError unless a data set of this name could be: known, or a path."""
    is_path = os.sep in name or name.endswith(".npz") or Path(name).expanduser().exists()
    if not (name.startswith("hf:") or is_path):
        check_known("data set", name, datasets.NAMES)


def _cell(entries: dict[str, Any]) -> Cell:
    """The cell with these settings.

    Raises:
        ValueError: if they contradict each other; it says in which cell, and how grids are kept apart.
    """
    method, name = entries.pop("method"), entries.pop("data")
    try:
        return Cell(method, name, ImpSettings(**entries, reset=reset_of(method)))
    except ValueError as error:
        place = f"{method}, {entries['model']} on {name}"
        raise ValueError(f"{place}: {error} (what suits some cells only goes under `grids`)") from error


def _shown(value: object) -> str:
    """A value as Python writes it, cut short however deep it is."""
    text = reprlib.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
