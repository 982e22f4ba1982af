"""Whether the features of a universal ticket are those of its family, as closely as its certificate says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from tombola.effective import EffectiveMaps
from tombola.ticket import Ticket
from tombola.universal import Family, Features, feature_errors
from tombola.universal._realised_family import described, realised_family
from tombola.universal._step import Linear, Realised

from ._rebuilt import is_known, rebuilt
from ._verification import Verification, noted

SLACK = 1e-6  # relative: the same bound, summed in another order
POINTS = 1024  # of each of the four kinds, at most
ENTRIES = 2**20  # features of all points of a kind, at most


def with_family(
    found: Verification, ticket: Ticket, maps: Mapping[str, EffectiveMaps], *, family: Family | None, seed: int
) -> Verification:
    """The verification of a universal ticket with the checks that need its family.

    Args:
        found: what was checked before; its masks have the structure that effective maps need.
        ticket: a universal ticket.
        maps: its effective maps by layer, from the second generator.
        family: the family; None: the one that the ticket's record describes.
        seed: of the sampled inputs.
    """
    name, claimed = ticket.record["family"]["name"], ticket.record["certificate"]["guarantee"] == "exact"
    if not claimed:
        found = noted(found, {}, {"certificate": "nothing is proved of its features"})
    if family is None:
        if not is_known(name):
            return noted(found, {}, {"family": f"a {name!r} family cannot be made again from its record: not checked"})
        if not claimed:
            return found
        try:
            family = rebuilt(ticket.record["family"])
        except (ValueError, ArithmeticError) as error:
            return noted(found, {"family": False}, {"family": str(error)})
    same = family.to_json() == ticket.record["family"] and _outline(family) == _recorded(ticket)
    found = noted(found, {"family": same}, {} if same else {"family": "its record describes another family"})
    return _compared(found, ticket, maps, family, seed) if same else found


def _compared(
    found: Verification, ticket: Ticket, maps: Mapping[str, EffectiveMaps], family: Family, seed: int
) -> Verification:
    """The verification with what the steps have become, what is proved of them, and what they do on a sample."""
    try:
        steps, realised = realised_family(family, maps)
    except (ValueError, ArithmeticError) as error:  # the steps before one leave it no interval, or one without end
        return noted(found, {"steps": False}, {"steps": str(error)})
    now = [described(step, made) for step, made in zip(steps, realised, strict=True)]
    checks = {"steps": all(map(_is_as_recorded, now, ticket.record["steps"]))}
    errors = feature_errors(family.dimension, steps, realised)
    seen = _largest_errors(family, realised, np.random.default_rng(seed % 2**64))
    if ticket.record["certificate"]["guarantee"] == "exact":
        allowed = np.array(ticket.record["certificate"]["errors"]) * (1 + SLACK)
        checks |= {"certificate": (errors <= allowed).all(), "sampled": (seen <= allowed).all()}
    found = replace(found, certified_bound=float(errors.max()), max_output_error=float(seen.max()))
    return noted(found, checks, {})


def _outline(family: Family) -> list[tuple[str, str, int]]:
    """Name, kind and size of every step of a family."""
    return [
        (step.name, "linear", len(step.weight))
        if isinstance(step, Linear)
        else (step.name, "block", len(step.functions))
        for step in family.steps
    ]


def _recorded(ticket: Ticket) -> list[tuple[str, str, int]]:
    """The same of the steps in a ticket's record."""
    return [
        (step["name"], step["kind"], step["outputs" if step["kind"] == "linear" else "channels"])
        for step in ticket.record["steps"]
    ]


def _is_as_recorded(now: dict[str, Any], recorded: dict[str, Any]) -> bool:
    """Whether a step has the interval and the knots that the record says."""
    if now["kind"] == "linear":
        return True
    return now["knots"] == recorded["knots"] and abs(now["high"] - recorded["high"]) <= SLACK * now["high"]


def _largest_errors(family: Family, realised: list[Realised], generator: np.random.Generator) -> np.ndarray:
    """The largest error `(features,)` of each feature on a sample of the box."""
    count = int(np.clip(ENTRIES // family.features, 16, POINTS))
    features, worst = Features.of_steps(family.dimension, realised), np.zeros(family.features)
    for points in _samples(family.dimension, count, generator):
        worst = np.maximum(worst, np.abs(features(points) - family.exact(points)).max(axis=0))
    return worst


def _samples(dimension: int, count: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Inputs `(count, dimension)` in the box: anywhere, on its faces, at its corners, and all coordinates equal."""
    inside = generator.random((count, dimension))
    ends = generator.integers(0, 2, (count, dimension)).astype(np.float64)
    faces = np.where(generator.random((count, dimension)) < 0.5, ends, inside)
    corners = np.array(list(product((0.0, 1.0), repeat=dimension))) if dimension < count.bit_length() else ends
    diagonal = np.repeat(np.linspace(0.0, 1.0, count)[:, None], dimension, axis=1)
    return [inside, faces, corners, diagonal]
