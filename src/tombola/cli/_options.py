"""Options and look-ups that several verbs share."""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

    from tombola.strong import InputSet
    from tombola.ticket import Ticket
    from tombola.training import SavedModel

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="What a plain state dict belongs to: lenet-300-100, mlp:784-500-10 or package.module:factory.",
    ),
]
TicketPath = Annotated[Path, typer.Argument(metavar="TICKET", help="A .ticket file.")]


class Depth(StrEnum):
    """The two constructions, by the depth that they need."""

    TWO_LAYER = "two-layer"
    ONE_EXTRA = "one-extra"


class Objective(StrEnum):
    """Which subset sums are preferred among those within tolerance."""

    SPARSEST = "sparsest"
    NEAREST = "nearest"
    LIGHTEST = "lightest"


class Inputs(StrEnum):
    """The set of inputs that the certificate speaks of."""

    AUTO = "auto"
    BALL = "ball"
    POSITIVE_BALL = "positive-ball"
    BOX = "box"
    POSITIVE_BOX = "positive-box"


def check_writable(output: Path, *inputs: Path) -> None:
    """Raises OSError now, and not after the work, if `output` could not be written or would replace an input."""
    from tombola.files import atomic_write

    if output.exists() and any(output.samefile(path) for path in inputs if path.exists()):
        raise FileExistsError(f"{output} is what is read; write to another file")
    try:
        with suppress(_Tried), atomic_write(output):
            raise _Tried
    except OSError as error:
        if str(error.filename).endswith(".part"):  # a temporary name, which nobody asked for
            error.filename = os.fspath(output)
        raise


class _Tried(Exception):
    """Ends a writing that was only an attempt."""


def seeded(seed: int) -> torch.Generator:
    """A generator with this seed.

    Raises:
        ValueError: if the seed does not fit into 64 bits.
    """
    import torch

    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, got {seed}")
    return torch.Generator().manual_seed(seed)


def is_factory(model: str | None) -> bool:
    """Whether a model's name is that of a function to be imported."""
    return model is not None and ":" in model and not model.startswith("mlp:")


def find_factories_here(model: str | None) -> None:
    """Lets a factory be imported from the current folder too, as `python -m` would; nothing else changes."""
    if is_factory(model) and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def read_target(path: Path, model: str | None) -> SavedModel:
    """The target in a file.

    Raises:
        ValueError: if the file says too little, or does not fit the model.
    """
    from tombola.training import load_model

    find_factories_here(model)
    return load_model(path, model)


def read_strong(path: Path, purpose: str) -> Ticket:
    """The strong ticket in a file.

    Raises:
        ValueError: if the ticket is of another kind, which knows no target network.
    """
    from tombola.ticket import load_ticket

    ticket = load_ticket(path)
    if ticket.kind != "strong":
        raise ValueError(
            f"{path} is a {ticket.kind} ticket and stands for no target network; {purpose} takes a strong one, "
            "of `tombola construct`"
        )
    return ticket


def example_of(saved: SavedModel) -> torch.Tensor:
    """A batch of one example of zeros, as a target takes it; where its file does not say, as its first layer does.

    Raises:
        UnsupportedModuleError: if the first layer is not Linear.
    """
    import torch
    from torch import nn

    from tombola.errors import UnsupportedModuleError
    from tombola.graph import SUPPORTED

    if saved.input_shape is not None:
        return torch.zeros(1, *saved.input_shape)
    for name, module in saved.model.named_modules():
        if isinstance(module, nn.Linear):
            return torch.zeros(1, module.in_features)
        if next(module.parameters(recurse=False), None) is not None:
            raise UnsupportedModuleError(name, type(module).__name__, SUPPORTED)
    raise UnsupportedModuleError("", "no Linear layer", SUPPORTED)


def input_set(choice: Inputs, radius: float, saved: SavedModel) -> InputSet:
    """The set of inputs that a choice stands for; `auto` goes by how the data were scaled.

    Raises:
        ValueError: if the radius is not a positive finite number.
    """
    from tombola.strong import Ball, Box

    if not (math.isfinite(radius) and radius > 0):
        raise ValueError(f"radius must be a positive finite number, got {radius}")
    if choice is Inputs.AUTO:
        is_unit = saved.scaling is not None and saved.scaling.kind == "unit"
        choice = Inputs.POSITIVE_BOX if is_unit else Inputs.BALL
    if choice in {Inputs.BOX, Inputs.POSITIVE_BOX}:
        return Box(0.0 if choice is Inputs.POSITIVE_BOX else -radius, radius)
    return Ball(radius, nonnegative=choice is Inputs.POSITIVE_BALL)
