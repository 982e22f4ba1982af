"""Training that goes on where it was interrupted, bit for bit."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save
from torch import Tensor

from tombola.files import atomic_write
from tombola.training._save_model import with_sorted_header

FORMAT = "tombola-training-1"


def fingerprint(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """The SHA-256 of tensors, with their names, types and shapes, and of a text.

    Example:
        >>> fingerprint({"x": torch.zeros(2)}) == fingerprint({"x": torch.zeros(2)}, "more")
        False
    """
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Checkpoint:
    """The file that training keeps its state in while it goes on: weights, optimiser, step and random numbers.

    The same call after an interruption goes on from there, and ends with the same bits as if nothing had happened.
    A file of another training (other weights, masks or steps) is not used. Where several processes train together
    nothing is written: each has random numbers of its own.

    Args:
        path: of the file.
        seconds: between two writings.
        last: whether the end is written too, so that a training that is finished is not done again.

    Example:
        >>> Checkpoint(Path("training.safetensors"), seconds=300.0).last
        False
    """

    path: Path
    seconds: float = 60.0
    last: bool = False


@dataclass(frozen=True, eq=False)
class State:
    """Training at some step.

    Attributes:
        tensors: of model, optimiser and random numbers.
        step: that comes next.
        done: batches of the current pass.
    """

    tensors: dict[str, Tensor]
    step: int
    done: int


@dataclass(eq=False)
class Keeper:
    """Writes states now and then, each over the one before.

    Args:
        checkpoint: where.
        begun: fingerprint of all that the training follows from.
    """

    checkpoint: Checkpoint
    begun: str
    _written: float = field(default_factory=time.perf_counter)

    def is_due(self, *, at_end: bool) -> bool:
        """Whether a state is to be written now."""
        if at_end:
            return self.checkpoint.last
        return time.perf_counter() - self._written >= self.checkpoint.seconds

    def write(self, state: State) -> None:
        """Writes a state.

        Raises:
            OSError: if the file cannot be written; an older one is still there.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.tensors.items()}
        said = {"format": FORMAT, "begun": self.begun, "step": str(state.step), "done": str(state.done)}
        said["sha256"] = fingerprint(tensors, json.dumps(said, sort_keys=True))
        with atomic_write(self.checkpoint.path) as file:
            file.write(with_sorted_header(save(tensors, metadata=said)))
        self._written = time.perf_counter()

    def read(self) -> State | None:
        """The state that was written last; None if there is none of this training. A damaged file is warned of."""
        path = self.checkpoint.path
        if not path.is_file():
            return None
        try:
            with safetensors.safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
                said = file.metadata() or {}
            sha256 = said.pop("sha256", None)
            if said.get("format") != FORMAT or sha256 != fingerprint(tensors, json.dumps(said, sort_keys=True)):
                raise ValueError("its content does not match its SHA-256")
        except (safetensors.SafetensorError, ValueError) as error:
            warnings.warn(f"{path} is damaged ({error}); training begins again", RuntimeWarning, stacklevel=2)
            return None
        if said["begun"] != self.begun:
            return None
        return State(tensors, int(said["step"]), int(said["done"]))
