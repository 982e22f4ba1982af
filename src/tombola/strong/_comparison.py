"""Target and ticket side by side, in the forms that certificates take: a chain of matrices, or a graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from scipy.sparse import csr_array

from tombola.effective import EffectiveMaps, target_layers
from tombola.errors import UnsupportedModuleError
from tombola.graph import Graph
from tombola.ticket import Ticket

from ._attack import AttackResult, attack
from ._certificate import Certificate, certificate
from ._compared_graph import ComparedGraph, ComparedLayer, compared_graph
from ._effective import EffectiveLayer, split_signs
from ._graph_certificate import graph_attack, graph_certificate
from ._input_sets import InputSet
from ._layer import TargetLayer
from ._one_extra import with_constants
from ._wide_graph import wide_graph

Compared = list[EffectiveLayer] | ComparedGraph
CHAIN_STEPS, GRAPH_STEPS = 200, 60  # of an attack


def compare(ticket: Ticket, graph: Graph, layers: list[TargetLayer], maps: Iterable[EffectiveMaps]) -> Compared:
    """Target and ticket, as matrices where the target is a chain of dense layers with ReLU, else as a graph.

    Args:
        ticket: a strong ticket.
        graph: the target.
        layers: the same target's layers, from `targets`.
        maps: the ticket's effective weights, from `effective.effective_maps`.

    Raises:
        ValueError: if the ticket is one for another target: names or shapes differ.
    """
    maps = list(maps)
    curved = any(one.residual is not None for one in maps)
    if graph.is_dense_chain() and not curved:
        return effective_layers(ticket, layers, maps)
    if any(stage.copies is not None for stage in ticket.stages):
        found = "curved hidden units below copies of the target's units"
        if curved:
            raise UnsupportedModuleError("", found, ("piecewise linear activations in one_extra, any in two_layer",))
        return wide_graph(ticket, graph, layers, maps)
    return compared_graph(graph, layers, maps, [group[0].activation.power for group in target_layers(ticket)])


def weight_errors(compared: Compared) -> Iterator[np.ndarray]:
    """|effective - target| of all weights and biases, layer by layer."""
    if isinstance(compared, ComparedGraph):
        yield from map(_filter_errors, compared.layers.values())
        return
    inputs = np.arange(compared[0].target.shape[1])
    for one in compared:
        yield _errors(one, inputs)
        inputs = one.owners


def _filter_errors(layer: ComparedLayer) -> np.ndarray:
    bias = layer.bias_gap.abs()
    return np.concatenate([layer.gap.abs().flatten().numpy(), bias.numpy()])


def _errors(one: EffectiveLayer, inputs: np.ndarray) -> np.ndarray:
    """|effective - target| of a layer's weights and biases, summed over the copies of each input neuron."""
    width = one.target.shape[1]
    found = one.ticket
    if not np.array_equal(inputs, np.arange(width)):
        copying = csr_array((np.ones(inputs.size), (inputs, np.arange(inputs.size))), shape=(width, inputs.size))
        found = (copying @ one.ticket.T).T
    errors = np.abs(found - one.target[one.owners])
    if not one.has_bias:
        return errors
    target, ticket = (np.zeros(1) if bias is None else bias for bias in (one.target_bias, one.ticket_bias))
    bias = np.abs(ticket - (target[one.owners] if one.target_bias is not None else target))
    return np.concatenate([errors, np.broadcast_to(bias, len(errors))[:, None]], axis=1)


def certify(compared: Compared, input_set: InputSet) -> Certificate:
    """The certificate of a comparison; see `certificate`."""
    if isinstance(compared, ComparedGraph):
        return graph_certificate(compared, input_set)
    return certificate(compared, input_set)


def worst_input(
    compared: Compared, input_set: InputSet, *, steps: int | None = None, generator: torch.Generator
) -> AttackResult:
    """The worst input that is found by searching; see `attack`. `steps` is the effort, of each start."""
    if isinstance(compared, ComparedGraph):
        return graph_attack(compared, input_set, steps=GRAPH_STEPS if steps is None else steps, generator=generator)
    return attack(compared, input_set, steps=CHAIN_STEPS if steps is None else steps, generator=generator)


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
