"""`tombola list`: the names that other verbs take."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ._options import AsJson, Objective
from ._output import print_json, print_table

CONSTRUCTIONS = {
    "two-layer": "two source layers for each target layer (Malach, Pensia, Fischer and Burkholz); the smallest",
    "one-extra": "one source layer more than the target has (Burkholz)",
    "depth-leveraged:K": "K + 1 narrower source layers for each target layer (after Burkholz)",
    "pensia": "subset sums in blind blocks of logarithmic size (Pensia)",
    "fixed-size:K": "exactly K edges for each weight (after Natale)",
    "golden-ratio": "a greedy walk over log-uniform weights, without any search (after Orseau)",
    "malach-product": "one edge for each weight, whose product with the unit's own is close (after Malach)",
    "malach-box": "one edge for each weight, both factors close: the first proof (Malach)",
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
        return dict(CONSTRUCTIONS)
    if topic is Topic.OBJECTIVES:
        return {key.value: text for key, text in OBJECTIVES.items()}
    from tombola import data, models

    return dict(models.NAMES if topic is Topic.MODELS else data.NAMES)
