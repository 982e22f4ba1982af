"""A model from its file: one of `save_model`, or a plain state dict of a model that the caller names."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from torch import Tensor, nn

from tombola.data import Scaling
from tombola.models import build
from tombola.training._match_names import match_names
from tombola.training._save_model import FORMAT


@dataclass(frozen=True, eq=False)
class SavedModel:
    """A model and what its file says of it; `None` where a plain state dict says nothing.

    Attributes:
        model: with its trained values, in evaluation mode, on the CPU.
        name: as `tombola.models.build` takes it.
        data: the name of the data set.
        scaling: from stored values to the model's inputs.
        input_shape: of one example.
        classes: how many.
    """

    model: nn.Module
    name: str | None = None
    data: str | None = None
    scaling: Scaling | None = None
    input_shape: tuple[int, ...] | None = None
    classes: int | None = None


def load_model(path: str | os.PathLike[str], model: str | nn.Module | None = None) -> SavedModel:
    """The model in a file, with what the file says of its data and scaling.

    Nothing in the file is executed: a `.safetensors` file holds numbers and text, a file of `torch.save` is read as
    tensors only, and a factory is called only if the caller names it.

    Args:
        path: a file of `save_model`, or a plain state dict in safetensors or of `torch.save`.
        model: a name for `tombola.models.build` or a module of the right shape (it stays as it is). Needed for a plain
            state dict, whose layers may be numbered otherwise: they are matched in the order of their numbers. Biases
            are as in the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, does not say which model it is of, or does not fit the model.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "plain.pt"
        >>> plain = nn.Sequential(nn.Linear(4, 3, bias=False), nn.ReLU(), nn.Linear(3, 2, bias=False))
        >>> torch.save(plain.state_dict(), path)
        >>> [key for key, _ in load_model(path, "mlp:4-3-2").model.named_parameters()]
        ['fc1.weight', 'fc2.weight']
    """
    path = Path(path)
    state, metadata = _read(path)
    said = _said(path, metadata) if metadata.get("format") == FORMAT else SavedModel(nn.Identity())
    built = copy.deepcopy(model) if isinstance(model, nn.Module) else _built(path, model, said, state)
    _fill(path, built, state)
    name = model if isinstance(model, str) else said.name
    return SavedModel(built.eval(), name, said.data, said.scaling, said.input_shape, said.classes)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with open(path, "rb") as file:
        is_torch_file = file.read(2) == b"PK"
    if is_torch_file:
        return _read_torch(path), {}
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118 - no mapping
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is neither a safetensors file nor one of torch.save: {error}") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        with open(path, "rb") as file:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        reason = "wanted a state dict of torch.save(model.state_dict(), ...)"
        raise ValueError(f"{path} does not hold tensors alone; {reason}") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds {type(state).__name__}, wanted a state dict: names and tensors")
    return dict(state)


def _said(path: Path, metadata: Mapping[str, str]) -> SavedModel:
    try:
        shape = tuple(int(size) for size in json.loads(metadata["input_shape"]))
        classes, scaling = int(metadata["classes"]), Scaling.from_metadata(metadata)
        return SavedModel(nn.Identity(), metadata["model"], metadata["data"], scaling, shape, classes)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its header is damaged: {error}") from error


def _built(path: Path, name: str | None, said: SavedModel, state: Mapping[str, Tensor]) -> nn.Module:
    wanted = name or said.name
    if wanted is None:
        raise ValueError(f"{path} does not say which model it is of; name it, for instance mlp:784-500-10")
    if name is None and ":" in wanted and not wanted.startswith("mlp:"):
        raise ValueError(f"{path} names the function {wanted!r}; pass model={wanted!r} if it may be called")
    has_bias = any(key.rpartition(".")[2] == "bias" for key in state)
    shape, classes = said.input_shape, said.classes
    return build(wanted, input_shape=shape, classes=classes, bias=has_bias, generator=torch.Generator().manual_seed(0))


def _fill(path: Path, model: nn.Module, state: Mapping[str, Tensor]) -> None:
    own = model.state_dict()
    named = match_names(state, own)
    missing, surplus = sorted(own.keys() - named.keys()), sorted(named.keys() - own.keys())
    if missing or surplus:
        lacks, has = ", ".join(missing) or "nothing", ", ".join(surplus) or "nothing"
        raise ValueError(f"{path} does not fit the model: it lacks {lacks}, and has {has} besides")
    for key, value in named.items():
        if value.shape != own[key].shape:
            shapes = f"{tuple(value.shape)}, wanted {tuple(own[key].shape)}"
            raise ValueError(f"{path} does not fit the model: {key} has shape {shapes}")
    model.load_state_dict(named)
