"""A family in, a certified universal ticket out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tombola import __version__
from tombola.effective import EffectiveMaps, effective_maps, maps_sha256
from tombola.random_source import Source
from tombola.strong import two_layer
from tombola.ticket import Ticket

from ._bound import feature_errors
from ._certificate import FeatureCertificate
from ._family import Family
from ._layers import Construction, affine, block_of_layers
from ._paths import block_of_paths
from ._realised_family import described, realised_family, realised_step, until_reached
from ._step import Built, Linear, Realised, Step

WIDTH = 16384


def build(family: Family, *, seed: int = 0, construction: Construction | None = None, width: int = WIDTH) -> Ticket:
    """A universal ticket: a mask on a random network whose outputs are the features of a whole family of functions.

    Nothing is trained and nothing is drawn again. A task from the family is then a linear fit on the features. Every
    step is fitted to what the steps before it have become.

    Args:
        family: `polynomial`, `fourier`, `orthogonal`, `hats` or `univariate`.
        seed: of the random source network.
        construction: None: hidden units are taken with the kinks that they have, which keeps fewest edges. Or one of
            `strong`, for dense layers, that makes every affine map from layers of its own: `two_layer`,
            `depth_leveraged(k)`.
        width: units that the widest layer of the source may have.

    Returns:
        The ticket. Its record holds a proved bound on the error of every feature over `[0, 1]^d`.

    Raises:
        ValueError: if the family needs a wider source, or cannot come as close as wanted.

    Example:
        >>> from tombola.universal import polynomial
        >>> ticket = build(polynomial(1, 4, tolerance=1.5e-3))
        >>> ticket.kept < 300, ticket.certificate.bound <= 1.5e-3
        (True, True)
    """
    started = time.perf_counter()
    if family.features > width:
        raise ValueError(
            f"a {family.name} family with {family.features:,} features needs as many units, and the layers of its "
            f"source have {width:,}; ask for less, or give it a wider source"
        )
    source, built, realised = Source(seed), list[Built](), list[Realised]()
    for step in family.steps:
        wanted = until_reached(step, realised)
        made = _built(wanted, source, construction, width=width)
        built.append(made)
        realised.append(realised_step(wanted, _maps(_ticket(source, [made]))))
    ticket = _ticket(source, built)
    widest = max(max(tensor.mask.shape) for tensor in ticket.tensors.values())
    if widest > width:
        raise ValueError(f"its source has layers of {width:,} units, and {widest:,} are needed; give it a wider one")
    maps = _maps(ticket)
    steps, realised = realised_family(family, maps)
    errors = feature_errors(family.dimension, steps, realised)
    name = "paths" if construction is None else construction.__name__
    record: dict[str, Any] = {
        "family": family.to_json(),
        "steps": [described(step, made) for step, made in zip(steps, realised, strict=True)],
        "options": {"construction": name, "width": width},
        "fingerprints": ticket.fingerprints(),
        "effective_sha256": maps_sha256(maps.values()),
        "certificate": FeatureCertificate(errors).to_json(),
        "report": {"seconds": time.perf_counter() - started},
        "version": __version__,
    }
    return replace(ticket, record=record)


def _built(step: Step, source: Source, construction: Construction | None, *, width: int) -> Built:
    if isinstance(step, Linear):
        return affine(step, source, construction or two_layer)
    if construction is None and not any(function.breaks for function in step.functions):
        return block_of_paths(step, source, width=width)
    return block_of_layers(step, source, construction or two_layer)


def _ticket(source: Source, built: Sequence[Built]) -> Ticket:
    tensors = {name: tensor for one in built for name, tensor in one.tensors.items()}
    return Ticket("universal", source, tensors, tuple(stage for one in built for stage in one.stages))


def _maps(ticket: Ticket) -> dict[str, EffectiveMaps]:
    return {one.layer: one for one in effective_maps(ticket)}
