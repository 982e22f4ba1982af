"""The options of `tombola prune`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from typer import Option

Number = TypeVar("Number", int, float)

ScoreNames = Annotated[
    str, Option("--score", metavar="NAME", help="snip, synflow or another; with --compare several: snip,random.")
]
Densities = Annotated[
    str, Option("--density", metavar="X", help="The share of weights that stay; with --compare several: 0.1,0.05.")
]
Seeds = Annotated[
    str, Option("--seed", metavar="N", help="Of weights, mask and training; with --compare several: 0,1,2.")
]
Output = Annotated[
    Path, Option("-o", "--output", metavar="FILE", help="The .ticket file to write; with --compare a folder.")
]
AllocationName = Annotated[
    str | None,
    Option(
        "--allocate", metavar="NAME", help="What each layer keeps: erk, uniform or another. Default: all are compared."
    ),
]
Sample = Annotated[bool, Option("--sample", help="Draw the mask from the scores instead of keeping the largest.")]
Temperature = Annotated[
    float | None, Option(metavar="X", help="Of --sample; 0 keeps the largest. Default: 1, in proportion to scores.")
]
Mixture = Annotated[
    float | None, Option(metavar="X", help="Of --sample: the share of chances that is even. Default: 0.")
]
Structure = Annotated[
    str | None,
    Option(metavar="4x4|2:4|channels", help="What stays as a whole: blocks of outputs by inputs, 2 of 4, or outputs."),
]
RoundCount = Annotated[
    int | None, Option("--rounds", min=1, metavar="N", help="Of scoring. Default: as published; 1 with --sample.")
]
Noise = Annotated[bool, Option("--noise", help="Score on noise with random labels instead of data.")]
BatchCount = Annotated[
    int | None, Option("--batches", min=1, metavar="N", help="Of about 128 examples that scores see. Default: 1.")
]
Only = Annotated[
    list[str] | None, Option(metavar="PATTERN", help="Weights that are pruned, as 'fc*'; may be repeated.")
]
Exclude = Annotated[
    list[str] | None, Option(metavar="PATTERN", help="Weights that stay dense, as fc3.weight; may be repeated.")
]
Train = Annotated[bool, Option("--train", help="Train what is left too, and say how accurate it is.")]
Compare = Annotated[
    bool, Option("--compare", help="Train every combination of scores, densities and seeds, in a folder.")
]
Steps = Annotated[
    int | None, Option(min=1, metavar="N", help="Of training. Default: at least 5 epochs and 1000 steps.")
]


def numbers(option: str, text: str, kind: Callable[[str], Number]) -> list[Number]:
    """The numbers in a text, with commas between.

    Raises:
        ValueError: if they are none, or one stands there twice.

    Example:
        >>> numbers("--density", "0.1,0.05", float)
        [0.1, 0.05]
    """
    try:
        found = [kind(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} takes a number, or some with commas between; got {text!r}") from None
    if len(set(found)) < len(found):
        raise ValueError(f"{option} has a number twice: {text!r}")
    return found


def refuse(given: Mapping[str, object], reason: str) -> None:
    """Raises ValueError if an option that says nothing here was given."""
    if idle := [option for option, value in given.items() if value is not None and value is not False]:
        raise ValueError(f"{reason}; leave {', '.join(idle)} out")
