"""The options of `tombola construct`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ._options import Depth, Inputs, Objective

TargetPath = Annotated[
    Path, Argument(metavar="TARGET", help="The network: a file of `tombola train`, or a plain state dict.")
]
Output = Annotated[Path | None, Option("-o", "--output", metavar="FILE", help="The .ticket file to write.")]
DepthName = Annotated[
    Depth, Option(metavar="NAME", help="two-layer (two source layers for each target layer) or one-extra (L + 1).")
]
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
    int | None, Option(min=1, metavar="N", help="Default: all cores. The ticket does not depend on it.")
]
Strict = Annotated[bool, Option("--strict", help="If a tolerance is missed, write nothing and exit with 1.")]
DryRun = Annotated[bool, Option("--dry-run", help="Predict size and time from a sample; write nothing.")]
