"""The options of `tombola transfer`, and what they stand for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from tombola.transfer import Carry


class What(StrEnum):
    """What of a ticket is carried over."""

    MASKS = "masks"
    SIGNS = "signs"
    REWIND = "rewind"
    TRAINED = "trained"


RunPaths = Annotated[list[Path], Argument(metavar="RUN...", help="Folders of `tombola imp`, one for each seed.")]
Target = Annotated[str, Option("--to", metavar="DATA", help="The data set that tickets are trained on.")]
CarryName = Annotated[
    What, Option(metavar="NAME", help="masks, masks and signs, the rewind weights too, or trained ones.")
]
LevelNumber = Annotated[int | None, Option(min=0, metavar="N", help="Whose ticket. Default: the last one.")]
Density = Annotated[float | None, Option(metavar="X", help="The level nearest to this density, instead.")]
Depth = Annotated[str | None, Option(metavar="MODEL", help="Stretch the ticket to this depth, such as resnet-32.")]
OutputLayer = Annotated[str | None, Option(metavar="NAME", help="A layer that is drawn anew and not pruned: fc3.")]
Native = Annotated[
    list[Path] | None,
    Option(metavar="RUN", help="A run on DATA, to measure recovery against; one for each RUN, in order."),
]
Steps = Annotated[int | None, Option(min=1, metavar="N", help="Of training. Default: those of the run.")]
Seed = Annotated[int, Option(metavar="N", help="Of new weights, random masks and the order of examples.")]


def carry_of(what: What) -> Carry:
    """The function that carries this much over."""
    from tombola.transfer import masks_and_signs, masks_and_weights, masks_only

    if what is What.MASKS:
        return masks_only
    return masks_and_signs if what is What.SIGNS else masks_and_weights
