"""`tombola list`: the names that other verbs take."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ._options import AsJson, Depth, Objective
from ._output import print_json, print_table

CONSTRUCTIONS = {
    Depth.TWO_LAYER: "two source layers per target layer, depth 2L (Malach, Pensia, Fischer-Burkholz)",
    Depth.ONE_EXTRA: "one source layer more than the target, depth L + 1 (Burkholz)",
}
OBJECTIVES = {
    Objective.SPARSEST: "fewest kept edges per weight within the tolerance",
    Objective.NEAREST: "smallest weight error",
    Objective.LIGHTEST: "smallest sum of kept magnitudes within the tolerance",
}


class Topic(StrEnum):
    """What there are names of."""

    MODELS = "models"
    DATA = "data"
    CONSTRUCTIONS = "constructions"
    OBJECTIVES = "objectives"


def list_names(topic: Annotated[Topic, typer.Argument(help="Names of what.")], as_json: AsJson = False) -> None:
    """List the models, data sets, constructions or objectives that can be named."""
    from .. import data, models

    names: dict[Topic, dict[str, str]] = {
        Topic.MODELS: dict.fromkeys(models.NAMES, ""),
        Topic.DATA: dict.fromkeys(data.NAMES, ""),
        Topic.CONSTRUCTIONS: {key.value: text for key, text in CONSTRUCTIONS.items()},
        Topic.OBJECTIVES: {key.value: text for key, text in OBJECTIVES.items()},
    }
    if as_json:
        print_json({topic.value: list(names[topic])})
    else:
        print_table(topic.value, names[topic].items())
