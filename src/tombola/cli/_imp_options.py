"""The options of `tombola imp`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


class Reset(StrEnum):
    """What goes back after pruning."""

    WEIGHTS = "weights"
    LEARNING_RATE = "learning-rate"
    FINE_TUNING = "fine-tuning"


class Descent(StrEnum):
    """The optimisers by name."""

    SGD = "sgd"
    ADAM = "adam"


DataName = Annotated[str, Argument(metavar="DATA", help="digits, mnist, a path, ...; see `tombola list data`.")]
NetworkName = Annotated[
    str, Argument(metavar="MODEL", help="lenet-300-100, mlp:784-500-10, ...; see `tombola list models`.")
]
Folder = Annotated[
    Path, Option("-o", "--output", metavar="FOLDER", help="Where levels are kept; the same command goes on there.")
]
Levels = Annotated[int | None, Option(min=1, metavar="N", help="How often is pruned. Default: 20.")]
Factor = Annotated[
    float | None, Option(metavar="X", help="Share of weights that a level keeps of the level before. Default: 0.8.")
]
Densities = Annotated[
    str | None, Option(metavar="X,X", help="Share of all weights that each level keeps, instead: 0.5,0.2,0.1.")
]
Steps = Annotated[
    int | None, Option(min=1, metavar="N", help="Of training. Default: at least 5 epochs and 1000 steps.")
]
Rewind = Annotated[int, Option(min=0, metavar="N", help="The step that weights go back to.")]
ResetName = Annotated[
    Reset, Option(metavar="NAME", help="What goes back after pruning: weights, learning-rate or fine-tuning (nothing).")
]
Retrain = Annotated[
    int | None, Option(min=1, metavar="N", help="Steps of a level whose weights stay. Default: as --steps.")
]
ByLayer = Annotated[bool, Option("--by-layer", help="Every layer keeps the same share; else all are compared.")]
Exclude = Annotated[
    list[str] | None, Option(metavar="NAME", help="A parameter that stays dense, as fc3.weight; may be repeated.")
]
LinearTo = Annotated[
    float | None, Option(metavar="X", help="Density of the last level, each pruning as many weights; not --factor.")
]
OptimiserName = Annotated[Descent, Option("--optimiser", metavar="NAME", help="sgd, or adam (AdamW).")]
LearningRate = Annotated[float, Option(metavar="X", help="Of the optimiser.")]
Momentum = Annotated[float, Option(metavar="X", help="Of sgd.")]
WeightDecay = Annotated[float, Option(metavar="X", help="Of the optimiser.")]
RateName = Annotated[
    str,
    Option("--rate", metavar="NAME", help="Over a run: constant, cosine, or stepwise:0.5,0.75 (tenths from there)."),
]
WarmUp = Annotated[int, Option(min=0, metavar="N", help="Steps in which the rate rises from zero.")]
Clip = Annotated[float | None, Option(metavar="X", help="The largest norm of the gradient of all kept weights.")]
BatchSize = Annotated[int, Option(min=1, metavar="N", help="Examples per step, of all processes together.")]
Bfloat16 = Annotated[bool, Option("--bfloat16", help="Forwards with 8 bits of mantissa: faster on some machines.")]
Threads = Annotated[
    int | None, Option(min=1, metavar="N", help="Of the CPU. Default: 1 for small networks, else all; part of the run.")
]
Checkpoint = Annotated[
    float, Option(min=0, metavar="SECONDS", help="Between two savings of a level in training; no part of the run.")
]
Seed = Annotated[int, Option(metavar="N", help="Of initial weights and all that training draws.")]
Track = Annotated[
    list[str] | None,
    Option("--track", metavar="NAME", help="Show levels in tensorboard, wandb or mlflow too; may be repeated."),
]
MlflowAddress = Annotated[
    str | None,
    Option(
        "--mlflow-address", metavar="URL", help="Of a server. Default: MLFLOW_TRACKING_URI, or a file beside the run."
    ),
]
