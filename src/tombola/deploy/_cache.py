"""Choices in a file, with the question that they answer."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from errno import ENOENT
from hashlib import sha256
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import tombola
from tombola.files import atomic_write


def question(module: nn.Module, example: Tensor, sizes: Sequence[int]) -> dict[str, Any]:
    """All that the answer depends on: network, inputs, sizes of batches, threads, programs and machine.

    Of the network, which is compacted, it is what it does, names, shapes, and where numbers are not 0.
    """
    tensors = sha256(str(module).encode())
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        tensors.update(f"{name} {value.dtype} {value.device} {tuple(value.shape)}\n".encode())
        tensors.update(np.packbits((value != 0).cpu().numpy()).tobytes())
    device = torch.cuda.get_device_name(example.device) if example.is_cuda else torch.backends.cpu.get_cpu_capability()
    return {
        "network": tensors.hexdigest(),
        "example": [str(example.dtype), *example.shape[1:]],
        "batches": list(sizes),
        "threads": torch.get_num_threads(),
        "machine": [platform.machine(), platform.processor(), device],
        "programs": [f"tombola {tombola.__version__}", f"torch {torch.__version__}"],
    }


def read(path: str | PathLike[str], asked: dict[str, Any]) -> dict[str, Any] | None:
    """What a file answers; None if there is none, or it is the answer to another question.

    Raises:
        FileNotFoundError: if there is no folder that it could be in.
        ValueError: if the file is none of answers.
    """
    if not Path(path).exists():
        if not Path(path).parent.is_dir():
            raise FileNotFoundError(ENOENT, "the folder of the cache does not exist", str(Path(path).parent))
        return None
    try:
        found = json.loads(Path(path).read_bytes())
        return found["answer"] if found["question"] == asked else None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no choices that were measured; name another file for the cache") from error


def write(path: str | PathLike[str], asked: dict[str, Any], answer: dict[str, Any]) -> None:
    """Puts a question and its answer in place of what a file held."""
    with atomic_write(path) as file:
        file.write(json.dumps({"question": asked, "answer": answer}, indent=1).encode() + b"\n")
