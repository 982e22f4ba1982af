"""Small tickets of every kind, each built once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import torch
from tests.problems.targets import relu_network
from torch import nn

from tombola import Ball, Box, Source, Ticket, Tolerance, construct, initialise, one_extra, two_layer
from tombola.random_source import he
from tombola.ticket import OwnerMask, pack, unpack

POSITIVE = Ball(1.0, nonnegative=True)
STRONG = {
    "two-layer": ((6, 5, 3), {"inputs": POSITIVE}),
    "two-layer, signed": ((6, 5, 3), {"inputs": Ball(1.0)}),
    "two-layer, biases": ((6, 5, 3), {"inputs": Box(0.0, 1.0), "bias": True}),
    "two-layer, signed, biases": ((6, 5, 3), {"inputs": Ball(1.0), "bias": True}),
    "two-layer, owned by outputs": ((40, 2), {"inputs": POSITIVE, "bias": True}),
    "one-extra": ((6, 5, 3), {"inputs": POSITIVE, "construction": one_extra}),
    "one-extra, signed": ((6, 5, 3), {"inputs": Ball(1.0), "construction": one_extra}),
    "one-extra, biases": ((6, 5, 4, 3), {"inputs": Box(0.0, 1.0), "construction": one_extra, "bias": True}),
    "a last ReLU": ((6, 5, 3), {"inputs": POSITIVE, "relu": True}),
}
MASKED = ("masked, saved values", "masked, with a source")


@cache
def target_of(name: str) -> nn.Sequential:
    """The target of a strong ticket."""
    widths, options = STRONG[name]
    net = relu_network(*widths, bias=options.get("bias", False))
    return nn.Sequential(*net, nn.ReLU()) if options.get("relu") else net


@cache
def ticket_of(name: str) -> Ticket:
    """A ticket by its name, from seed 3; weights come within 5 %."""
    if name in MASKED:
        return masked(with_source=name == MASKED[1])
    widths, options = STRONG[name]
    return construct(
        target_of(name),
        torch.zeros(1, widths[0]),
        seed=3,
        construction=options.get("construction", two_layer),
        tolerance=Tolerance(0.05),
        inputs=options["inputs"],
    )


def masked(*, with_source: bool) -> Ticket:
    """Masks on a small convolutional network, its values saved or, but for vectors, at their addresses."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    if with_source:
        model.load_state_dict(initialise(model, Source(5)), strict=False)
    masks = {
        name: torch.rand(parameter.shape, generator=generator) < 0.4
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1
    }
    options = {"source": Source(5), "scheme": he} if with_source else {}
    return Ticket.from_masks(model, masks, **options)


def with_mask(ticket: Ticket, name: str, change: Callable[[np.ndarray], object]) -> Ticket:
    """The ticket with one mask changed; `change` gets a copy of its owners or of its bool matrix to write to."""
    tensor = ticket.tensors[name]
    owned = isinstance(tensor.mask, OwnerMask)
    array = tensor.mask.owner.copy() if owned else unpack(tensor.mask)
    change(array)
    mask = OwnerMask(array, tensor.mask.columns) if owned else pack(array)
    return replace(ticket, tensors={**ticket.tensors, name: replace(tensor, mask=mask)})


def with_record(ticket, path, value):
    """The ticket with one entry of its record changed; a function changes the entry that is there."""
    record = copy.deepcopy(ticket.record)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("|"))
    place = record
    for parent in parents:
        place = place[parent]
    place[last] = value(place[last]) if callable(value) else value
    return replace(ticket, record=record)
