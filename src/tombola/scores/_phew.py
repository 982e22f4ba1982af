"""PHEW: paths with higher edge weights, by random walks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tombola.graph import INPUT, Graph, read_graph
from tombola.masks import Masks, apply

from ._connectivity import effective_masks
from ._linear_copy import one_input
from ._masked import MaskedCopy, masked_copy
from ._score import Batches, Loss
from ._walks import Step, Walks, kernels_of

WALKS = 2048  # at a time


def phew(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    density: float = 0.5,
) -> dict[str, Tensor]:
    """`1 / (1 + t)`, t the number of the first walk that went over a weight; 0 if none did [Patil2021].

    Walks go from unit to unit with `P(j | i)` in proportion to the sum of `|theta|` over the kernel from i to j, and
    over one weight of the kernel in proportion to its `|theta|`; in turn from an input unit to the outputs and from an
    output unit to the inputs. The k largest scores are the weights of the first walks, k in all: every one of them lies
    on a path of them, except for what the last walk is cut short by. So one round is meant, and all weights of one walk
    score the same.

    Deviations: at a fork each way has the same chance, but no walk takes a shortcut without weights; biases are not
    pruned; walks go where weights are kept and on paths.

    Cost: a second or some for ten million weights. At low densities far less, so give the one that you want.

    Args:
        model: of the operations in `tombola.graph.SUPPORTED`, in float32.
        batches: one of any values is enough; only the shape of an input is read.
        masks: of the parameters to be scored; others are walked over and not counted.
        loss: not used.
        generator: of the walks.
        density: walks end once they have gone over this fraction of the masked weights, or go over nothing new. Masks
            of this density and less are PHEW's; of more, the rest stays by position.

    Raises:
        ValueError: for no batches, a density outside (0, 1], a model that is not supported, or no path at all.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> masks = {f"{i}.weight": torch.ones_like(net[i].weight, dtype=torch.bool) for i in (0, 2)}
        >>> batches = [(torch.zeros(1, 3), torch.zeros(1))]
        >>> found = phew(net, batches, masks=masks, loss=nn.MSELoss(), generator=torch.Generator().manual_seed(0))
        >>> [int((score == 1).sum()) for score in found.values()]  # the first walk: one weight of each layer
        [1, 1]
    """
    if not 0 < density <= 1:
        raise ValueError(f"density is the kept fraction and lies in (0, 1], got {density}")
    with masked_copy(model, masks, generator) as copy:
        example = one_input(batches, copy.device, "phew")
        weights = _on_paths(model, copy, example)
        graph = _graph(copy, example)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    walks = Walks(graph, kernels_of(graph, weights))
    first = {name: torch.full((mask.numel(),), torch.inf, dtype=torch.float64) for name, mask in masks.items()}
    wanted = density * sum(mask.numel() for mask in masks.values())
    _walk(graph, walks, first, wanted, torch.Generator().manual_seed(seed))
    return {name: (1 / (1 + first[name])).view(mask.shape).to(copy.device) for name, mask in masks.items()}


def _on_paths(model: nn.Module, copy: MaskedCopy, example: Tensor) -> dict[str, Tensor]:
    """The weights by name, zero where they are pruned or on no path."""
    effective = effective_masks(model, copy.masks, example)
    parameters = {name: value.detach().clone() for name, value in copy.module.named_parameters()}
    return apply({name: mask.to(copy.device) for name, mask in effective.items()}, parameters)


def _graph(copy: MaskedCopy, example: Tensor) -> Graph:
    """The network as a graph; which names its parts have is all that is taken from it."""
    return read_graph(copy.module.float(), example.float())


def _walk(graph: Graph, walks: Walks, first: dict[str, Tensor], wanted: float, generator: torch.Generator) -> None:
    """Writes the numbers of the first walks into `first`, until so many weights are reached, or none that are new."""
    ends = graph.shapes[INPUT][0], graph.nodes[-1].shape[0]
    reached, started = 0, 0
    while reached < wanted:
        turn = torch.arange(started, started + WALKS)
        numbers = (2 * turn).double()
        for number, go, units in ((0, walks.forward, ends[0]), (1, walks.backward, ends[1])):
            steps, arrived = go(turn % units, generator)
            _record(first, steps, torch.where(arrived, numbers + number, math.inf))
        before, reached = reached, sum(int(found.isfinite().sum()) for found in first.values())
        if not reached:
            raise ValueError("no walk gets from the input to the output; are there paths of weights that are not zero?")
        if reached == before:
            return
        started += WALKS


def _record(first: dict[str, Tensor], steps: Sequence[Step], numbers: Tensor) -> None:
    for name, walkers, entries in steps:
        if name in first:
            first[name].scatter_reduce_(0, entries, numbers[walkers], "amin")
