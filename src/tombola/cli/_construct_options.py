"""The options of `tombola construct`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ._options import Depth, Inputs, Objective


class EngineName(StrEnum):
    """Who builds the layers."""

    THREADS = "threads"
    RAY = "ray"


TargetPath = Annotated[
    Path, Argument(metavar="TARGET", help="The network: a file of `tombola train`, or a plain state dict.")
]
Output = Annotated[Path | None, Option("-o", "--output", metavar="FILE", help="The .ticket file to write.")]
DepthName = Annotated[
    Depth, Option(metavar="NAME", help="two-layer (two source layers for each target layer) or one-extra (L + 1).")
]
ConstructionName = Annotated[
    str | None,
    Option(
        metavar="NAME",
        help="Any construction of `tombola list constructions`, as in fixed-size:3; --depth is the short form of two.",
    ),
]
ActivationName = Annotated[
    str,
    Option(
        metavar="NAME",
        help="Of the parent's hidden units, the real function: relu, leaky-relu:0.1, tanh, sigmoid, softplus, silu, "
        "gelu, elu or softsign.",
    ),
]
LawName = Annotated[
    str,
    Option(
        metavar="NAME",
        help="Of the parent's weights into hidden units: uniform, normal, signed-constant or looks-linear.",
    ),
]
Biases = Annotated[bool, Option("--bias/--no-bias", help="Whether the parent's hidden units have random biases.")]
Seed = Annotated[int, Option(metavar="N", help="Names the random parent network.")]
WeightEpsilon = Annotated[
    float, Option(metavar="X", help="Largest error of a weight, relative to the largest weight of its layer.")
]
Absolute = Annotated[bool, Option("--absolute", help="--weight-epsilon is in the unit of the weights.")]
Epsilon = Annotated[
    float | None,
    Option(metavar="X", help="Largest output error that is wanted, proved; weight tolerances follow from it."),
]
ObjectiveName = Annotated[
    Objective | None,
    Option(metavar="NAME", help="sparsest, nearest or lightest. Default: sparsest; with one-extra, lightest."),
]
InputsName = Annotated[
    Inputs,
    Option(
        metavar="NAME",
        help="The inputs x that the proof is for, given a radius R: ball (2-norm of x at most R), positive-ball "
        "(and x >= 0), box (-R <= x <= R), positive-box (0 <= x <= R), or auto: positive-box if the target's data "
        "were scaled to [0, 1], else ball.",
    ),
]
Radius = Annotated[float, Option(metavar="R", help="See --inputs.")]
Threads = Annotated[
    int | None,
    Option(
        min=1,
        metavar="N",
        help="That share a layer. Default: all cores; with --engine ray, one. The ticket does not depend on it.",
    ),
]
Engine = Annotated[
    EngineName,
    Option(
        metavar="NAME",
        help="threads (in this process, one layer after the other) or ray (workers of a Ray cluster, several layers at "
        "a time; RAY_ADDRESS names the cluster, without it one is started here). The ticket does not depend on it.",
    ),
]
Resume = Annotated[
    Path | None,
    Option(
        metavar="FOLDER",
        help="Keep finished layers in this folder, and read those that are there already instead of building them.",
    ),
]
Strict = Annotated[bool, Option("--strict", help="If a tolerance is missed, write nothing and exit with 1.")]
DryRun = Annotated[bool, Option("--dry-run", help="Predict size and time from a sample; write nothing.")]
