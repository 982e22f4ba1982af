"""`tombola list`: the names that other verbs take."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
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
METHODS = {
    "imp": "level by level the smallest weights go, the rest is put back and trained again (Frankle 2019)",
    "learning-rate": "the same, but weights stay and the learning rate goes back (Renda 2020)",
    "fine-tuning": "the same, but weights stay and are trained on",
    "one-shot": "the largest weights of the dense network, put back and trained: straight to each density",
    "random": "a control: a random mask with the same share of every layer, trained",
    "static": "a random mask that shares its weights out as erk does, trained",
    "set": "the same, but in training small weights go and others come at random (Mocanu 2018)",
    "rigl": "the same, but those come whose gradients are large (Evci 2020)",
    "top-kast": "the same, but the network uses its largest weights and trains some more (Jayakumar 2021)",
    "prune-NAME": "pruned before training by a score of `tombola list scores`, then trained",
    "prune-NAME-sampled": "the same with a mask that is drawn; for all scores but random and phew",
}
KEY = re.compile(r"\[([A-Za-z]+)(\d{4})\]")  # as docstrings cite


class Topic(StrEnum):
    """What there are names of."""

    MODELS = "models"
    DATA = "data"
    CONSTRUCTIONS = "constructions"
    OBJECTIVES = "objectives"
    SCORES = "scores"
    ALLOCATIONS = "allocations"
    METHODS = "methods"
    SEARCHES = "searches"


def list_names(
    topic: Annotated[Topic, typer.Argument(metavar="TOPIC", show_choices=False, help=f"{', '.join(Topic)}.")],
    as_json: AsJson = False,
) -> None:
    """List what can be named: models, data, constructions, scores, methods of sweeps and of searches, and others."""
    names = _names(topic)
    if as_json:
        print_json({topic.value: names})
    else:
        print_table(topic.value, names.items())


def _names(topic: Topic) -> dict[str, str]:
    """What each name stands for; torch is imported where the library is asked."""
    match topic:
        case Topic.CONSTRUCTIONS:
            return dict(CONSTRUCTIONS)
        case Topic.OBJECTIVES:
            return {key.value: text for key, text in OBJECTIVES.items()}
        case Topic.METHODS:
            return dict(METHODS)
        case Topic.SCORES:
            return _scores()
        case Topic.ALLOCATIONS:
            from tombola.prune import ALLOCATIONS

            return {name: _first_line(rule) for name, rule in ALLOCATIONS.items()}
        case Topic.SEARCHES:
            from tombola.search import METHODS as SEARCHES

            return {name: found.text for name, found in SEARCHES.items()}
    from tombola import data, models

    return dict(models.NAMES if topic is Topic.MODELS else data.NAMES)


def _scores() -> dict[str, str]:
    """What each criterion goes by, and in how many rounds if they are several."""
    from tombola.prune import CRITERIA

    rounds = {name: f"; {found.rounds} rounds" if found.rounds > 1 else "" for name, found in CRITERIA.items()}
    return {name: f"{found.text}{rounds[name]}" for name, found in CRITERIA.items()}


def _first_line(function: Callable[..., object]) -> str:
    """The first line of a docstring, as the lines of a list are: without marks, and with names for keys.

    Example:
        >>> from tombola.allocate import er
        >>> _first_line(er)
        'counts with densities in proportion to (inputs + outputs) / (inputs outputs) (Mocanu 2018)'
    """
    line = (inspect.getdoc(function) or "").partition("\n")[0].rstrip(".").replace("`", "")
    return KEY.sub(r"(\1 \2)", line[:1].lower() + line[1:])
