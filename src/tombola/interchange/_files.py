"""Files of tensors, read without running what may be in them; masks as files of their own."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from tombola.files import atomic_write
from tombola.masks import Masks, check_masks

from ._state import as_mask

NESTED = ("state_dict", "model_state_dict", "model")  # where checkpoints keep their state dict

DAMAGE = (
    *(SafetensorError, pickle.UnpicklingError, zipfile.BadZipFile, zlib.error),
    *(RuntimeError, TypeError, ValueError, EOFError),
)


def read_state(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors in a file, by name, on the CPU: of `torch.save`, safetensors or numpy.

    A checkpoint that keeps its state dict under `state_dict`, `model_state_dict` or `model` gives that one. What is no
    tensor is left out. Nothing in the file is executed.

    Args:
        path: a file that ends in `.safetensors` or `.npz`; any other is one of `torch.save`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds other objects than tensors, plain numbers and containers, is damaged, or has no names.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "model.pth"
        >>> torch.save({"epoch": 3, "state_dict": {"fc.weight": torch.ones(1, 2)}}, path)
        >>> read_state(path)
        {'fc.weight': tensor([[1., 1.]])}
    """
    path = Path(path)
    try:
        if path.name.endswith(".safetensors"):
            return load_file(path)
        if path.name.endswith(".npz"):
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        state = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        reason = (str(error) or "it ends too early").splitlines()[0]
        raise ValueError(f"{path} cannot be read as tensors alone: {reason}") from error
    for key in NESTED:
        if isinstance(state, Mapping) and isinstance(state.get(key), Mapping):
            state = state[key]
    if not isinstance(state, Mapping):
        raise ValueError(f"{path} holds {type(state).__name__}, wanted a state dict: names and tensors")
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


def load_masks(path: str | os.PathLike[str]) -> Masks:
    """The masks in a file that holds nothing else, by plain names, as `mask.pth` of open_lth.

    Args:
        path: as that of `read_state`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it cannot be read, holds no tensor, or one with other values than 0 and 1.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mask.pth"
        >>> torch.save({"fc.weight": torch.tensor([[1, 0]], dtype=torch.int32)}, path)
        >>> load_masks(path)
        {'fc.weight': tensor([[ True, False]])}
    """
    state = read_state(path)
    if not state:
        raise ValueError(f"{path} holds no masks")
    try:
        return {name: as_mask(name, value) for name, value in state.items()}
    except ValueError as error:
        wanted = "masks that stand beside weights are read by from_state_dict(read_state(path))"
        raise ValueError(f"{path}: {error}; {wanted}") from error


def save_masks(masks: Masks, path: str | os.PathLike[str]) -> None:
    """Writes masks to a file that `load_masks` reads, whole or not at all.

    Args:
        masks: bool tensors by parameter name, on any device.
        path: `.safetensors` holds them as bool, `.pt` and `.pth` as int32 0 and 1 in a file of `torch.save`: the layout
            of open_lth, where its name is `mask.pth`.

    Raises:
        ValueError: if the name ends otherwise, there are no masks, or one is not bool.
        OSError: if the file cannot be written; one that was there is left as it was.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mask.pth"
        >>> save_masks({"fc.weight": torch.tensor([[True, False]])}, path)
        >>> torch.load(path)
        {'fc.weight': tensor([[1, 0]], dtype=torch.int32)}
    """
    name = Path(path).name
    if not masks:
        raise ValueError(f"there are no masks to write to {path}")
    check_masks(masks, masks)
    plain = {each: mask.cpu().contiguous() for each, mask in masks.items()}
    if name.endswith(".safetensors"):
        content = save({each: mask.clone() for each, mask in plain.items()}, metadata={"format": "pt"})
        with atomic_write(path) as file:
            file.write(content)
    elif name.endswith((".pt", ".pth")):
        with atomic_write(path) as file:
            torch.save({each: mask.int() for each, mask in plain.items()}, file)
    else:
        raise ValueError(f"masks are written to .safetensors, .pt or .pth, not to {name!r}")
