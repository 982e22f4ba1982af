"""`tombola list`: the names that other verbs take."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ._options import AsJson, Depth, Objective
from ._output import print_json, print_table

CONSTRUCTIONS = {
    Depth.TWO_LAYER: "two source layers for each target layer (Malach, Pensia, Fischer and Burkholz)",
    Depth.ONE_EXTRA: "one source layer more than the target has (Burkholz)",
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


def list_names(
    topic: Annotated[Topic, typer.Argument(metavar="TOPIC", help="models, data, constructions or objectives.")],
    as_json: AsJson = False,
) -> None:
    """List the models, data sets, constructions or objectives that can be named."""
    names = _names(topic)
    if as_json:
        print_json({topic.value: names})
    else:
        print_table(topic.value, names.items())


def _names(topic: Topic) -> dict[str, str]:
    """What each name stands for; torch is imported for models and data only."""
    if topic is Topic.CONSTRUCTIONS:
        return {key.value: text for key, text in CONSTRUCTIONS.items()}
    if topic is Topic.OBJECTIVES:
        return {key.value: text for key, text in OBJECTIVES.items()}
    from tombola import data, models

    return dict(models.NAMES if topic is Topic.MODELS else data.NAMES)
