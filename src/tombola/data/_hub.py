"""Data sets of the `datasets` package: from its hub, or saved to a folder with `save_to_disk`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tombola.errors import DataNotFoundError

INPUTS = ("image", "img", "x", "pixels")
LABELS = ("label", "labels", "y")


def read_hub(name: str) -> dict[str, np.ndarray]:
    """The arrays of the splits `train` and `test`, by the names of the Keras convention.

    Args:
        name: of a data set on the hub, which is downloaded unless the cache has it, or the folder of a saved one. Its
            inputs are in a column of `INPUTS`, its labels in one of `LABELS`.

    Raises:
        ImportError: if the extra `data` is not installed.
        DataNotFoundError: if there is no such data set.
        ValueError: if a split or a column is missing, or examples differ in shape.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ImportError as error:
        raise ImportError("Hugging Face data sets need the extra `data`: pip install 'tombola[data]'") from error
    try:
        loaded = datasets.load_from_disk(name) if Path(name).is_dir() else datasets.load_dataset(name)
    except (FileNotFoundError, ConnectionError) as error:
        raise DataNotFoundError(f"hf:{name}", [name], f"it is no saved folder, and the hub says: {error}") from error
    arrays = {}
    for part in ("train", "test"):
        if not isinstance(loaded, dict) or part not in loaded:
            raise ValueError(f"hf:{name} has no split {part!r}")
        split = loaded[part].with_format("numpy")
        arrays[f"x_{part}"] = _stacked(name, split[_column(name, split.column_names, INPUTS)])
        arrays[f"y_{part}"] = _stacked(name, split[_column(name, split.column_names, LABELS)])
    inputs = ("x_train", "x_test")
    if all(_are_bytes(arrays[key]) for key in inputs):
        arrays.update({key: arrays[key].astype(np.uint8) for key in inputs})
    return arrays


def _are_bytes(values: np.ndarray) -> bool:
    """Whether they are whole numbers from 0 to 255; the format gives them with 64 bits however they are stored."""
    return values.dtype.kind in "ui" and values.size > 0 and bool(values.min() >= 0 and values.max() <= 255)


def _column(name: str, columns: list[str], wanted: tuple[str, ...]) -> str:
    found = next((column for column in wanted if column in columns), None)
    if found is None:
        raise ValueError(f"hf:{name} has the columns {', '.join(columns)}; wanted one of {', '.join(wanted)}")
    return found


def _stacked(name: str, values: Iterable[Any]) -> np.ndarray:
    try:
        return np.stack([np.asarray(value) for value in values])
    except ValueError as error:
        raise ValueError(f"hf:{name}: the examples cannot be stacked: {error}") from error
