"""Options and look-ups that several verbs share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..strong import InputSet
    from ..training import SavedModel

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output and nothing else.")]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="Needed for a plain state dict: lenet-300-100, mlp:A-B-C or package.module:factory."),
]
TicketPath = Annotated[Path, typer.Argument(help="A .ticket file.")]


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
    UNIT_BOX = "unit-box"


def read_target(path: Path, model: str | None) -> SavedModel:
    """The target in a file, with the shape of its inputs known.

    Raises:
        ValueError: if the file says too little.
    """
    from ..training import load_model

    return load_model(path, model)


def example_of(saved: SavedModel):  # noqa: ANN201 - a tensor; torch is imported on use
    """A batch of zeros in the shape that a target takes; where its file does not say, that of its first weight."""
    import torch

    if saved.input_shape is not None:
        return torch.zeros(1, *saved.input_shape)
    for parameter in saved.model.parameters():
        if parameter.ndim == 2:
            return torch.zeros(1, parameter.shape[1])
    raise ValueError("the target has no Linear layer whose input size could be read; save it with `tombola train`")


def input_set(choice: Inputs, radius: float, saved: SavedModel) -> InputSet:
    """The set of inputs that a choice stands for; `auto` goes by how the data were scaled."""
    from ..strong import Ball, Box

    if choice is Inputs.AUTO:
        unit = saved.scaling is not None and saved.scaling.kind == "unit"
        choice = Inputs.UNIT_BOX if unit else Inputs.BALL
    if choice is Inputs.UNIT_BOX:
        return Box(0.0, radius)
    return Ball(radius, nonnegative=choice is Inputs.POSITIVE_BALL)
