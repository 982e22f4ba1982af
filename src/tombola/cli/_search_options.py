"""The options of `tombola search`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Option


class Weights(StrEnum):
    """What the random network is filled with."""

    SIGNED_CONSTANT = "signed-constant"
    NORMAL = "normal"


Output = Annotated[Path, Option("-o", "--output", metavar="FILE", help="The .ticket file to write.")]
MethodName = Annotated[str, Option("--method", metavar="NAME", help="One of `tombola list searches`.")]
Density = Annotated[float, Option(metavar="X", help="The share of the searched weights that stay, in (0, 1].")]
WeightsName = Annotated[Weights, Option(metavar="NAME", help="signed-constant or normal, both of variance 2 / fan-in.")]
Scaled = Annotated[bool, Option("--scaled", help="Weights wider by the root of 1 / density: fan-in is what stays.")]
Biases = Annotated[
    float | None, Option(metavar="STD", help="Normal biases of this spread, masked too. Default: no biases.")
]
AllLayers = Annotated[bool, Option("--all-layers", help="All layers are compared; else each keeps the same share.")]
Steps = Annotated[
    int | None, Option(min=1, metavar="N", help="Of the search. Default: at least 5 epochs and 1000 steps.")
]
LearningRate = Annotated[
    float | None, Option(metavar="X", help="Of the scores, falling along half a cosine. Default: the method's.")
]
BatchSize = Annotated[int, Option(min=1, metavar="N", help="Examples per step.")]
Seed = Annotated[int, Option(metavar="N", help="Of the random network, the first scores and the order of examples.")]
