"""Target and ticket side by side, in the form that the certificate takes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tombola.effective import EffectiveMaps, target_layers
from tombola.ticket import Ticket

from ._effective import EffectiveLayer, split_signs
from ._layer import TargetLayer
from ._one_extra import with_constants


def effective_layers(ticket: Ticket, layers: list[TargetLayer], maps: Iterable[EffectiveMaps]) -> list[EffectiveLayer]:
    """The target's layers next to the effective weights of a ticket for it; units that nobody uses are left out.

    Args:
        ticket: a strong ticket.
        layers: the target.
        maps: the ticket's effective weights, from `effective.effective_maps`.

    Raises:
        ValueError: if the ticket is one for another target: names or shapes differ.
    """
    groups = target_layers(ticket)
    copied = any(stage.copies is not None for stage in ticket.stages)
    lifted = with_constants(layers) if copied else layers
    found, wanted = [group[0].layer for group in groups], [layer.name for layer in layers]
    if found != wanted:
        raise ValueError(f"the ticket has the layers {found}, the target {wanted}: it is a ticket for another target")
    compared, inputs = [], np.arange(lifted[0].inputs)
    for group, layer, effective in zip(groups, lifted, maps, strict=True):
        copies = np.arange(layer.outputs) if group[-1].copies is None else group[-1].copies
        used = np.flatnonzero(copies >= 0)
        compared.append(_compared(layer, effective, inputs, used, copies[used].astype(np.int64)))
        inputs = used
    return compared


def _compared(
    layer: TargetLayer, effective: EffectiveMaps, inputs: np.ndarray, used: np.ndarray, owner: np.ndarray
) -> EffectiveLayer:
    if effective.positive.shape[0] <= used.max(initial=0) or effective.positive.shape[1] <= inputs.max(initial=0):
        raise ValueError(f"layer {layer.name!r} of the ticket has other shapes than the target's")
    whole = used.size == effective.positive.shape[0] and inputs.size == effective.positive.shape[1]
    positive, negative = (
        matrix if matrix is None or whole else matrix[np.ix_(used, inputs)]
        for matrix in (effective.positive, effective.negative)
    )
    assert positive is not None
    target = layer.weight.astype(np.float64)
    bias = None if layer.bias is None else layer.bias.astype(np.float64)
    ticket_bias = None if effective.bias is None else effective.bias[used]
    if negative is not None:
        return split_signs(target, positive, negative, target_bias=bias, ticket_bias=ticket_bias, owner=owner)
    return EffectiveLayer(target, positive, target_bias=bias, ticket_bias=ticket_bias, owner=owner)
