"""Folders of Hugging Face's transformers with masks beside the weights."""

from __future__ import annotations

import copy
import importlib
import os
import secrets
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from tombola.masks import Masks, bake_, check_masks

from ._files import load_masks, save_masks

MASKS = "masks.safetensors"


def save_pretrained(model: nn.Module, masks: Masks, folder: str | os.PathLike[str]) -> None:
    """Writes a folder that `from_pretrained` of transformers reads, pruned weights at zero, and the masks beside them.

    The masks are in `masks.safetensors`, which transformers does not look at. The model stays as it is; cost: a copy
    of it in memory.

    Args:
        model: a model of transformers.
        masks: bool tensors by parameter name, on the devices of the parameters. A tied one is named once.
        folder: a new one; it is there when all of its files are.

    Raises:
        ImportError: if the extra `transformers` is not installed.
        TypeError: if the model is of another library.
        ValueError: if there are no masks, or they do not fit.
        FileExistsError: if the folder is there and not empty.
        OSError: if it cannot be written.

    Example:
        >>> import tempfile, torch
        >>> from transformers import BertConfig, BertModel
        >>> sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
        >>> bert, place = BertModel(BertConfig(vocab_size=9, **sizes)), Path(tempfile.mkdtemp()) / "bert"
        >>> save_pretrained(bert, {"pooler.dense.weight": torch.eye(8).bool()}, place)
        >>> sorted(path.name for path in place.iterdir())
        ['config.json', 'masks.safetensors', 'model.safetensors']
    """
    kind: type = _transformers().PreTrainedModel
    if not isinstance(model, kind):
        raise TypeError(f"wanted a model of transformers, got {type(model).__name__}; other models have state dicts")
    check_masks(masks, dict(model.named_parameters()))
    final = Path(os.path.realpath(folder))
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise FileExistsError(f"{folder} is there already; name a folder that is not")
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(6)}.part")
    temporary.mkdir()
    try:
        save_masks(masks, temporary / MASKS)
        pruned: Any = copy.deepcopy(model)
        bake_(pruned, masks)
        pruned.save_pretrained(temporary)
        os.replace(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def load_pretrained(folder: str | os.PathLike[str]) -> tuple[nn.Module, Masks]:
    """The model in a folder of `save_pretrained`, at evaluation, and its masks.

    The class is the one that `config.json` names, of transformers itself. Nothing is downloaded, and nothing in the
    folder is executed.

    Args:
        folder: with `config.json`, `model.safetensors` and `masks.safetensors`.

    Raises:
        ImportError: if the extra `transformers` is not installed.
        FileNotFoundError: if there is no such folder, or no masks in it.
        ValueError: if the class is unknown, the masks do not fit the model, or a pruned weight is not zero.

    Example:
        >>> import tempfile, torch
        >>> from transformers import GPT2Config, GPT2LMHeadModel
        >>> gpt = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_positions=4, n_embd=8, n_layer=1, n_head=1))
        >>> place = Path(tempfile.mkdtemp()) / "gpt"
        >>> save_pretrained(gpt, {"transformer.h.0.mlp.c_fc.weight": torch.rand(8, 32) < 0.5}, place)
        >>> model, masks = load_pretrained(place)
        >>> type(model).__name__, {name: tuple(mask.shape) for name, mask in masks.items()}
        ('GPT2LMHeadModel', {'transformer.h.0.mlp.c_fc.weight': (8, 32)})
    """
    transformers, place = _transformers(), Path(folder)
    for name in (MASKS, "config.json"):
        if not (place / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}: it is no folder of save_pretrained")
    masks = load_masks(place / MASKS)
    config = transformers.AutoConfig.from_pretrained(place, local_files_only=True)
    names = config.architectures or ["none"]
    kind = getattr(transformers, names[0], None)
    if not (isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)):
        raise ValueError(f"{folder} holds a model of the class {names[0]!r}, which transformers does not have")
    model: nn.Module = kind.from_pretrained(place, local_files_only=True, use_safetensors=True)
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    for name, mask in masks.items():
        if bool(parameters[name][~mask].any()):
            wanted = "prune it again, or read the two by themselves: from_pretrained and load_masks"
            raise ValueError(f"{folder}: {name!r} has values where its mask prunes; {wanted}")
    return model, masks


def _transformers() -> ModuleType:
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        message = "folders of Hugging Face models need transformers: pip install 'tombola[transformers]'"
        raise ImportError(message, name="transformers") from error
