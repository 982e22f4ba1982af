"""The options of `tombola universal`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


class FamilyName(StrEnum):
    """The families that have a name."""

    POLYNOMIAL = "polynomial"
    FOURIER = "fourier"
    CHEBYSHEV = "chebyshev"
    LEGENDRE = "legendre"
    HAT = "hat"


class TaskName(StrEnum):
    """What a read-out predicts."""

    AUTO = "auto"
    NUMBERS = "numbers"
    CLASSES = "classes"


Family = Annotated[
    FamilyName,
    Argument(
        metavar="FAMILY",
        help="polynomial (--degree), fourier (--frequency, --period, --fold), chebyshev or legendre (--degree), "
        "or hat (--knots).",
    ),
]
Dimension = Annotated[int, Option(metavar="D", help="How many inputs; they range over the box [0, 1]^D.")]
Degree = Annotated[int | None, Option(metavar="N", help="Largest degree: of monomials in all, else of each input.")]
Frequency = Annotated[int | None, Option(metavar="N", help="Largest sum of the moduli of a wave's frequencies.")]
Period = Annotated[
    float | None, Option(metavar="X", help="In lengths of the box. Default: 1; 2 suits functions without a period.")
]
Fold = Annotated[bool, Option("--fold", help="Reflect arguments, so that the sine does not grow with the frequency.")]
Knots = Annotated[int | None, Option(metavar="N", help="Intervals of each input, and hats of each.")]
ToleranceOfFeatures = Annotated[
    float | None,
    Option(metavar="X", help="Largest error of any feature. Default: 0.001; chebyshev, legendre, fourier 0.01."),
]
SourceSeed = Annotated[int, Option(metavar="N", help="Names the random parent network.")]
ConstructionName = Annotated[
    str,
    Option(
        metavar="NAME",
        help="paths (hidden units with the kinks that chance gave them: fewest edges), two-layer or depth-leveraged:K.",
    ),
]
Width = Annotated[int, Option(min=1, metavar="N", help="Units that the widest layer of the parent may have.")]
TicketOutput = Annotated[
    Path | None, Option("-o", "--output", metavar="FILE", help="The .ticket file to write; without it, none is.")
]
ReadOutOutput = Annotated[Path, Option("-o", "--output", metavar="FILE", help="The .json file to write.")]
ReadOutPath = Annotated[Path, Argument(metavar="READOUT", help="A .json file of `tombola universal fit`.")]
TableName = Annotated[
    str,
    Argument(
        metavar="DATA",
        help="A CSV file with a header, or a table that comes with scikit-learn: diabetes, wine, breast_cancer, iris "
        "or digits.",
    ),
]
TargetName = Annotated[
    str | None, Option("--target", metavar="COLUMN", help="What to predict. Default: the last column.")
]
Columns = Annotated[
    str | None,
    Option(metavar="LIST", help="The columns to use, by name or counted from 0, as in bmi,bp,s5. Default: all."),
]
Components = Annotated[
    int | None, Option(min=1, metavar="K", help="Use K principal components of the standardised columns.")
]
Alpha = Annotated[
    float | None,
    Option(
        metavar="X",
        help="Penalty on squared coefficients; more makes them smaller, and what is proved closer. Default: chosen by "
        "cross-validation on the rows that are not held out.",
    ),
]
TestFraction = Annotated[float, Option(metavar="X", help="Rows held out, as a fraction of all.")]
SplitSeed = Annotated[int, Option(metavar="N", help="Of the choice of the rows held out.")]
Task = Annotated[
    TaskName,
    Option(
        metavar="NAME",
        help="numbers, classes, or auto: classes if the target is text or takes at most 20 values, all whole numbers.",
    ),
]
