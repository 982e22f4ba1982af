"""The options of `tombola flow`, and what they stand for."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from torch import Tensor

    from tombola.random_source import Scheme
    from tombola.renormalization import Grouping


class Law(StrEnum):
    """The laws of initial weights."""

    HE = "he"
    GLOROT = "glorot"
    TORCH = "torch"


RunPaths = Annotated[
    list[Path] | None,
    Argument(metavar="RUN...", help="Folders of `tombola imp`, one for each seed, or of a sweep."),
]
GroupNames = Annotated[
    list[str] | None,
    Option("--groups", metavar="NAME", help="layer (default), block, part, or a pattern, as early=fc1*; repeatable."),
]
ForeignFolders = Annotated[
    list[Path] | None,
    Option("--foreign", metavar="FOLDER", help="Levels of another program, a file each; repeat for more seeds."),
]
WindowText = Annotated[
    str | None, Option("--window", metavar="A:B", help="First and last level that count. Default: by the data.")
]
LawName = Annotated[Law | None, Option("--law", metavar="NAME", help="Null flow of a law: he, glorot or torch.")]
Coarse = Annotated[
    Path | None,
    Option("--coarse", metavar="RUN", help="Runs of larger steps: do steps compose, and do levels share a valley?"),
]
Picture = Annotated[Path | None, Option("--picture", metavar="FILE", help="An .svg of the flow and its exponents.")]


def grouping_of(names: list[str] | None) -> Grouping:
    """What the words of `--groups` stand for.

    Raises:
        ValueError: if a name and patterns are mixed.
    """
    from tombola.renormalization import by_block, by_layer, by_part, by_pattern

    named = {"layer": by_layer, "block": by_block, "part": by_part}
    words = names or ["layer"]
    if len(words) == 1 and words[0] in named:
        return named[words[0]]
    if mixed := [word for word in words if word in named]:
        raise ValueError(f"--groups is {', '.join(named)} alone, or patterns; {mixed[0]!r} stands beside others")
    patterns: dict[str, str] = {}
    for word in words:
        label, is_named, pattern = word.partition("=")
        if label in patterns:
            raise ValueError(f"--groups names {label!r} twice; give each pattern a name of its own, as early=fc1*")
        patterns[label] = pattern if is_named else word
    return by_pattern(patterns)


def window_of_text(text: str | None) -> tuple[int, int | None]:
    """The first and last level that are asked for; None for a last one by the data.

    Raises:
        ValueError: if the text is no window.

    Example:
        >>> window_of_text("2:12"), window_of_text("1:"), window_of_text(None)
        ((2, 12), (1, None), (2, None))
    """
    if text is None:
        return 2, None
    found = re.fullmatch(r"(\d+):(\d*)", text)
    if found is None or (found[2] and int(found[2]) <= int(found[1])):
        raise ValueError(f"--window is the first and the last level, as in 2:12 or 2:, got {text!r}")
    return int(found[1]), int(found[2]) if found[2] else None


def scheme_of(law: Law) -> Scheme:
    """The law of initial weights, layer by layer: normal for he, uniform for glorot and for the default of torch."""
    from tombola.random_source import Uniform, glorot, he

    def default(_: str, weights: Tensor) -> Uniform | None:
        return None if weights.ndim < 2 else Uniform(weights[0].numel() ** -0.5)

    return {Law.HE: he, Law.GLOROT: glorot, Law.TORCH: default}[law]
