"""A mask on a random network, searched for by gradients, as a ticket."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from tombola.masks import Masks, apply
from tombola.random_source import Law, Scheme, Source
from tombola.ticket import Ticket, values_at
from tombola.training import Train

from ._method import Method
from ._schemes import signed_he
from ._searched import Searched

NORMS = (_BatchNorm, _InstanceNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)


@dataclass(frozen=True, eq=False)
class Found:
    """What a search has found.

    Attributes:
        ticket: the masks, and the address of what they mask.
        model: the network, pruned weights at zero; statistics of batch norm are those of the search.
        masks: of the parameters that were searched.
        free_density: that of the scores without a number to meet; None for methods without a threshold.
        generations: how often each kept weight was drawn again, int16 by parameter, 0 for pruned ones; nothing for
            methods that never draw again.
    """

    ticket: Ticket
    model: nn.Module
    masks: Masks
    free_density: float | None = None
    generations: dict[str, Tensor] = field(default_factory=dict)


def search(
    model: nn.Module,
    train: Train,
    *,
    method: Method,
    density: float,
    source: Source,
    steps: int,
    scheme: Scheme = signed_he,
    generator: torch.Generator | None = None,
) -> Found:
    """A subnetwork of a random network that does what it is trained for, though no weight of it is trained.

    The network is filled from the source; what is trained are scores, of which the method makes masks. Heuristic: there
    is no promise that a good mask is found, `occam_bound` says what one promises once it is.

    Args:
        model: gives the architecture; its values do not matter, and it stays as it is.
        train: the training loop; it sees an ordinary module, whose parameters are the scores. Give it no weight decay,
            unless scores are to decay.
        method: from scores to masks, as `edge_popup()`.
        density: the kept fraction of all weights that are searched, in (0, 1].
        source: of all values.
        steps: of training.
        scheme: the laws of the values. Parameters without a law are frozen: scales of normalisations at 1, all others
            at 0.
        generator: of first scores and of training. Default: one with the seed 0.

    Raises:
        ValueError: for a density out of range or at which a layer would be empty, nothing to search, or a training loop
            that has changed frozen values.

    Example:
        >>> from tombola import data, models
        >>> from tombola.search import edge_popup
        >>> from tombola.training import Trainer, evaluate, sgd
        >>> digits = data.load("digits")
        >>> net = models.build("mlp:64-200-10", bias=False, generator=torch.Generator())
        >>> train = Trainer(digits, steps=200, optimiser=sgd(0.1, momentum=0.9))
        >>> found = search(net, train, method=edge_popup(), density=0.5, source=Source(7), steps=200)
        >>> found.ticket.density, found.ticket.source
        (0.5, Source(seed=7, generation=0))
        >>> evaluate(found.model, *digits.test()).accuracy > 0.85
        True
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    laws = _laws(model, scheme)
    network = _filled(model, source, laws)
    state = Searched(network, source, laws, method=method, density=density, steps=steps, generator=generator)
    trained = train(state.to(_device(model)), {}, start=0, stop=steps, generator=generator)
    assert isinstance(trained, Searched)
    _check_unchanged(trained, _filled(model, source, laws))
    return _found(trained)


def _laws(model: nn.Module, scheme: Scheme) -> dict[str, Law]:
    """The laws of all parameters that have one.

    Raises:
        ValueError: if none has.
    """
    norms = {id(value) for module in model.modules() if isinstance(module, NORMS) for value in module.parameters()}
    named = {name: value for name, value in model.named_parameters() if id(value) not in norms}
    found = {name: law for name, value in named.items() if (law := scheme(name, value.detach())) is not None}
    if not found:
        raise ValueError("there is nothing to search: the scheme gives no parameter of the model a law")
    return found


def _filled(model: nn.Module, source: Source, laws: dict[str, Law]) -> nn.Module:
    """A copy of the model at the values of the source."""
    network = copy.deepcopy(model).cpu()
    scales = {id(module.weight) for module in network.modules() if isinstance(module, NORMS)}
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name in laws:
                value.copy_(source.tensor(name, laws[name], value.shape))
            else:
                value.fill_(1.0 if id(value) in scales else 0.0)
    return network


def _check_unchanged(trained: Searched, network: nn.Module) -> None:
    """Raises ValueError if what is frozen is not what it was, or what the method has drawn again from its address."""
    drawn, before = trained.memory("generation"), dict(network.named_parameters())
    for name, value in trained.network.named_parameters():
        wanted = before[name]
        if name in drawn:
            wanted = values_at(trained.source, name, trained.laws[name], drawn[name])
        if not torch.equal(value.cpu(), wanted.cpu()):
            raise ValueError(f"the training loop has changed the frozen values of {name!r}; it may train scores only")


def _found(trained: Searched) -> Found:
    """The masks of a search, and the network and the ticket under them."""
    method, network = trained.method, copy.deepcopy(trained.network)
    masks, laws = method.masks(trained), method.laws(trained)
    masks |= {name: torch.zeros_like(value, dtype=torch.bool) for name, value in _zeros(network, laws).items()}
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name in laws and laws[name] != trained.laws[name]:
                value.copy_(trained.source.tensor(name, laws[name], value.shape, device=value.device))
    drawn = trained.memory("generation")
    ticket = Ticket.from_masks(
        network, masks, source=trained.source, scheme=lambda name, _: laws.get(name), generations=drawn
    )
    network.load_state_dict(apply(masks, dict(network.named_parameters())), strict=False)
    again = {name: numbers * masks[name] for name, numbers in drawn.items()}
    return Found(ticket, network, {name: masks[name] for name in laws}, method.free_density(trained), again)


def _zeros(network: nn.Module, laws: dict[str, Law]) -> dict[str, Tensor]:
    """The parameters that are frozen at zero: nothing of them is kept."""
    return {name: value for name, value in network.named_parameters() if name not in laws and not value.any()}


def _device(model: nn.Module) -> Any:  # noqa: ANN401 - of the first parameter
    return next(model.parameters()).device
