"""A data set from its name or path."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tombola.data._dataset import KEYS, DataSet, checked_tensors
from tombola.data._digits import LARGEST, read_digits
from tombola.data._hub import read_hub
from tombola.data._idx import read_idx_folder
from tombola.data._scaling import Scaling, fit_scaling
from tombola.errors import DataNotFoundError

SHORT_NAMES = {
    "mnist": "handwritten digits, 28 x 28",
    "fashion_mnist": "articles of clothing, 28 x 28",
    "emnist_letters": "handwritten letters, 28 x 28",
    "usps": "digits from envelopes, 16 x 16",
    "cifar10": "small photographs in colour, 32 x 32",
}
NAMES = {
    "digits": "handwritten digits, 8 x 8; comes with scikit-learn, nothing to download",
    **SHORT_NAMES,
    "path/to/file.npz": f"arrays {', '.join(KEYS)}",
    "path/to/folder": "idx files as torchvision lays them out, plain or .gz",
    "hf:NAME": "a Hugging Face data set, or the folder of a saved one; needs the extra `data`",
}


def load(name: str | os.PathLike[str], *, scaling: str = "unit") -> DataSet:
    """The data set of this name, checked, in memory, with its inputs as stored.

    Short names are `NAME.npz` files in the folder that the environment variable `TOMBOLA_DATA` names, by default
    `~/.cache/tombola/datasets`. Nothing is downloaded but a Hugging Face name that is asked for.

    Args:
        name: one of `NAMES`.
        scaling: `unit` (inputs in `[0, 1]`), `standard` (mean 0, variance 1 over the training set) or `none`.

    Raises:
        DataNotFoundError: if it is not where it should be; says where that is and how to get it.
        ValueError: if the name is unknown, or the content is no data set.
        ImportError: if it needs the extra `data`, which is not installed.

    Example:
        >>> digits = load("digits")
        >>> digits.x_train.shape, digits.x_train.dtype, digits.scaling
        (torch.Size([1437, 1, 8, 8]), torch.uint8, Scaling(kind='unit', shift=0.0, scale=16.0))
    """
    text = os.fspath(name)
    tensors = checked_tensors(text, _read(text))
    if text == "digits" and scaling == "unit":
        return DataSet(text, **tensors, scaling=Scaling("unit", 0.0, float(LARGEST)))
    return DataSet(text, **tensors, scaling=fit_scaling(scaling, tensors["x_train"]))


def _read(name: str) -> dict[str, np.ndarray]:
    if name == "digits":
        return read_digits()
    if name in SHORT_NAMES:
        return _read_npz(_short_name_file(name))
    if name.startswith("hf:"):
        return read_hub(name.removeprefix("hf:"))
    path = Path(name).expanduser()
    if name and path.is_dir():
        return read_idx_folder(path)
    if path.is_file():
        return _read_npz(path)
    if path.suffix == ".npz" or len(path.parts) > 1:
        raise DataNotFoundError(name, [path.absolute()], "give the path of an .npz file or of a folder of idx files")
    raise ValueError(f"unknown data set {name!r}; known are {', '.join(NAMES)}")


def _short_name_file(name: str) -> Path:
    folder = Path(os.environ.get("TOMBOLA_DATA") or Path.home() / ".cache" / "tombola" / "datasets")
    path = folder / f"{name}.npz"
    if not path.is_file():
        advice = f"put an .npz file with {', '.join(KEYS)} there, or set TOMBOLA_DATA to the folder that has it"
        raise DataNotFoundError(name, [path], advice)
    return path


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no zip archive")
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in KEYS if key in arrays}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not an .npz file of plain arrays: {error}") from error
