"""What the steps of a family become, one after the other: each on the interval that those before it fill."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tombola.effective import EffectiveMaps

from ._bound import largest
from ._family import Family
from ._realised import block_of_maps, linear_of_maps
from ._step import Linear, Realised, RealisedBlock, RealisedLinear, Step

NOTCHES = 64  # to a unit: where intervals may end


def realised_family(family: Family, maps: Mapping[str, EffectiveMaps]) -> tuple[list[Step], list[Realised]]:
    """The steps of a family as they are wanted, and what they have become: what `feature_errors` compares.

    Args:
        family: whose steps give the layers their names.
        maps: effective maps by layer, of all its steps.
    """
    steps, realised = list[Step](), list[Realised]()
    for step in family.steps:
        steps.append(until_reached(step, realised))
        realised.append(realised_step(steps[-1], maps))
    return steps, realised


def realised_step(step: Step, maps: Mapping[str, EffectiveMaps]) -> Realised:
    """What a step has become, from effective maps by layer."""
    if isinstance(step, Linear):
        return linear_of_maps(step.name, maps)
    return block_of_maps(step.name, maps, step.functions, relu=step.relu)


def until_reached(step: Step, before: Sequence[Realised]) -> Step:
    """The step on the interval that the steps before it fill, rounded up: blocks are alike for all dimensions."""
    if isinstance(step, Linear) or not before:
        return step
    high = math.ceil(reach(before) * NOTCHES) / NOTCHES
    return replace(step, functions=tuple(function.until(high) for function in step.functions))


def reach(realised: Sequence[Realised]) -> float:
    """A bound on what comes out of steps, given inputs from 0 to 1."""
    high = 1.0
    for made in realised:
        if isinstance(made, RealisedLinear):
            high = float((np.maximum(made.weight, 0).sum(axis=1) * high + made.bias).max()) * (1 + 2.0**-40)
        else:
            assert isinstance(made, RealisedBlock)
            high = max(largest(line) for line in made.functions)
    return high


def described(step: Step, made: Realised) -> dict[str, Any]:
    """A step as it stands in a ticket's record."""
    if isinstance(step, Linear):
        return {"name": step.name, "kind": "linear", "outputs": len(step.weight)}
    assert isinstance(made, RealisedBlock)
    return {
        "name": step.name,
        "kind": "block",
        "channels": len(step.functions),
        "high": step.functions[0].high,
        "knots": [line.kinks[0].size + 1 for line in made.functions],
    }
