"""The network in a file, with its masks: what is exported and timed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import example_of, find_factories_here, is_factory, read_target

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from tombola.masks import Masks
    from tombola.ticket import Ticket

DeployablePath = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="A .ticket, or weights with zeros where they are pruned."),
]


@dataclass(frozen=True, eq=False)
class Deployable:
    """A network and what is pruned of it.

    Attributes:
        name: of the network, or the kind of its ticket.
        network: at evaluation, pruned weights at zero.
        masks: of parameters with two axes or more that have zeros.
        example: a batch of one that it takes.
    """

    name: str
    network: nn.Module
    masks: Masks
    example: Tensor


def deployable(path: Path, model: str | None = None) -> Deployable:
    """The network in a file of `tombola train`, of a level of `tombola imp`, or in a ticket.

    Args:
        path: of a `.ticket`, or of a model's weights, those that are exactly zero being pruned.
        model: name of the network, for files that do not say it.

    Raises:
        ValueError: if the file cannot be read, does not say which network it is of, or does not fit it.
    """
    if path.suffix == ".ticket":
        return _of_ticket(path, model)
    saved = read_target(path, model)
    return _found(saved.name or "the network", saved.model, example_of(saved))


def _of_ticket(path: Path, model: str | None) -> Deployable:
    import torch

    from tombola.ticket import load_ticket, ticket_graph

    ticket = load_ticket(path)
    if ticket.kind == "masked":
        name, network, example = _pruned(path, ticket, model)
        return _found(name, network, example)
    if model is not None:
        raise ValueError(f"{path} is a {ticket.kind} ticket, which needs no --model")
    strong = ticket.kind == "strong"
    shape = ticket_graph(ticket).input_shape if strong else (ticket.record["family"]["dimension"],)
    return _found(f"{ticket.kind} ticket", ticket.module(), torch.zeros(1, *shape))


def _pruned(path: Path, ticket: Ticket, model: str | None) -> tuple[str, nn.Module, Tensor]:
    """The network of a masked ticket, which is one that the library can build, or that the caller names."""
    import torch

    from tombola import models

    said = ticket.record.get("network", {})
    name = model or said.get("model")
    if name is None or (model is None and is_factory(name)):
        which = "a function to be imported" if name else "nothing"
        raise ValueError(f"{path} says {which} of the network that its masks are for; name it with --model")
    find_factories_here(name)
    shape, classes = said.get("input_shape"), said.get("classes")
    generator = torch.Generator().manual_seed(0)  # every value that the ticket has is replaced
    bias = said.get("bias", True)
    network = models.build(name, input_shape=shape, classes=classes, bias=bias, generator=generator)
    if "search" in ticket.record and any(True for _ in network.buffers()):
        raise ValueError(
            f"{path} holds no statistics of batch norm, which a search learns; save the found model and give that file"
        )
    _fill_(network, ticket, path, name)
    return name, network, _example(network, shape, path)


def _fill_(network: nn.Module, ticket: Ticket, path: Path, name: str) -> None:
    """The ticket's values where they are kept, 0 elsewhere.

    Raises:
        ValueError: if the parameters are not those of the network.
    """
    import torch

    parameters, masks = dict(network.named_parameters()), ticket.masks()
    shapes = {key: tuple(mask.shape) for key, mask in masks.items()}
    if shapes != {key: tuple(value.shape) for key, value in parameters.items()}:
        raise ValueError(f"{path} does not fit {name}: its masks are for {shapes}")
    with torch.no_grad():
        for key, mask in masks.items():
            values = torch.tensor(ticket.block(key, 0, ticket.tensors[key].mask.shape[0]))
            parameters[key].copy_(values.reshape(mask.shape) * mask)


def _example(network: nn.Module, shape: list[int] | None, path: Path) -> torch.Tensor:
    import torch
    from torch import nn

    if shape is not None:
        return torch.zeros(1, *shape)
    first = next((module for module in network.modules() if isinstance(module, nn.Linear)), None)
    if first is None or any(isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d) for module in network.modules()):
        raise ValueError(f"{path} does not say which inputs its network takes; write the ticket again")
    return torch.zeros(1, first.in_features)


def _found(name: str, network: nn.Module, example: Tensor) -> Deployable:
    parameters = {key: value.detach() for key, value in network.named_parameters() if value.ndim > 1}
    masks = {key: value != 0 for key, value in parameters.items() if bool((value == 0).any())}
    return Deployable(name, network.eval(), masks, example)
