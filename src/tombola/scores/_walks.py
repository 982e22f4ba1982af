"""Biased random walks through the units of a network, many at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from tombola.graph import INPUT, LAYER, Graph, Node

Step = tuple[str, Tensor, Tensor]  # name of a parameter; which walks went over which of its entries


@dataclass(frozen=True, eq=False)
class Kernels:
    """The weights of a layer as a walk meets them.

    Attributes:
        name: of the parameter.
        taps: `(out, in, taps)` float64, `|w|`; of grouped layers `in` is that of a group.
        groups: how many groups of channels there are.
    """

    name: str
    taps: Tensor
    groups: int

    @property
    def size(self) -> Tensor:
        """`(out, in)`, the sum of `|w|` over each kernel."""
        return self.taps.sum(2)

    def forward(self, units: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """From input units to output units: those, the entries gone over, and whether there was any."""
        per_group, inside = len(self.taps) // self.groups, self.taps.shape[1]
        table = self.size.view(self.groups, per_group, inside).transpose(1, 2).reshape(-1, per_group)
        chosen, found = _drawn(table[units], generator)
        outputs = units // inside * per_group + chosen
        return outputs, *self._tap(outputs, units % inside, found, generator)

    def backward(self, units: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The same from output units to input units."""
        per_group, inside = len(self.taps) // self.groups, self.taps.shape[1]
        chosen, found = _drawn(self.size[units], generator)
        return units // per_group * inside + chosen, *self._tap(units, chosen, found, generator)

    def _tap(self, outputs: Tensor, inputs: Tensor, found: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        tap, some = _drawn(self.taps[outputs, inputs], generator)
        return (outputs * self.taps.shape[1] + inputs) * self.taps.shape[2] + tap, found & some


def _drawn(masses: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """An index for each row `(n, k)` of masses with that probability, and whether it has a mass at all."""
    sums = masses.cumsum(1)
    at = torch.rand(len(masses), 1, generator=generator, dtype=sums.dtype) * sums[:, -1:]
    index = torch.searchsorted(sums, at, right=True).clamp_(max=masses.shape[1] - 1)
    return index.flatten(), masses.gather(1, index).flatten() > 0


@final
class Walks:
    """Walks over a graph: a unit follows a unit with a probability in proportion to the weights between them.

    Where a result goes several ways, one is chosen with equal chances; past a shortcut without weights a walk never
    goes, so that it meets the weights beside it. A flatten leads from a channel to any of its places.

    Args:
        graph: of the network.
        kernels: of its layers by node name; layers without, which are norms, keep the channel.
    """

    def __init__(self, graph: Graph, kernels: Mapping[str, Kernels]) -> None:
        self._graph, self._kernels = graph, kernels
        self._nodes = {node.name: node for node in graph.nodes}
        self._ways = _ways(graph)
        self._ahead: dict[str, list[str]] = {name: [] for name in graph.shapes}
        for name, inputs in self._ways.items():
            for before in inputs:
                self._ahead[before].append(name)

    def forward(self, units: Tensor, generator: torch.Generator) -> tuple[list[Step], Tensor]:
        """Walks from input units; what they went over, and which of them arrived."""
        places = {INPUT: (torch.arange(len(units)), units)}
        steps, arrived = [], torch.ones(len(units), dtype=torch.bool)
        for name, ahead in self._ahead.items():
            walks, at = places.pop(name, (torch.empty(0, dtype=torch.long),) * 2)
            choice = torch.randint(max(1, len(ahead)), walks.shape, generator=generator)
            for number, after in enumerate(ahead):
                going = choice == number
                moved = self._through(self._nodes[after], name, at[going], generator)
                self._note(after, walks[going], moved, steps, arrived)
                _gather(places, after, walks[going], moved[0])
        return steps, arrived

    def backward(self, units: Tensor, generator: torch.Generator) -> tuple[list[Step], Tensor]:
        """Walks from output units to the input; what they went over, and which of them arrived."""
        last = self._graph.nodes[-1].name
        places = {last: (torch.arange(len(units)), units)}
        steps, arrived = [], torch.ones(len(units), dtype=torch.bool)
        for name in reversed(self._nodes):
            walks, at = places.pop(name, (torch.empty(0, dtype=torch.long),) * 2)
            ways = self._ways[name]
            choice = torch.randint(len(ways), walks.shape, generator=generator)
            for number, before in enumerate(ways):
                going = choice == number
                moved = self._back(self._nodes[name], before, at[going], generator)
                self._note(name, walks[going], moved, steps, arrived)
                _gather(places, before, walks[going], moved[0])
        return steps, arrived

    def _through(self, node: Node, before: str, at: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        if node.name in self._kernels:
            return self._kernels[node.name].forward(at, generator)
        grain = self._grain(node, before)
        return (at if grain == 1 else at * grain + torch.randint(grain, at.shape, generator=generator),)

    def _back(self, node: Node, before: str, at: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        if node.name in self._kernels:
            return self._kernels[node.name].backward(at, generator)
        return (at // self._grain(node, before),)

    def _grain(self, node: Node, before: str) -> int:
        """How many entries of the first axis a channel becomes, 1 but for a flatten."""
        return node.shape[0] // self._graph.shapes[before][0] if node.op == "flatten" else 1

    def _note(self, name: str, walks: Tensor, moved: tuple[Tensor, ...], steps: list[Step], arrived: Tensor) -> None:
        if len(moved) == 3:
            steps.append((self._kernels[name].name, walks, moved[1]))
            arrived[walks[~moved[2]]] = False


def _gather(places: dict[str, tuple[Tensor, Tensor]], name: str, walks: Tensor, units: Tensor) -> None:
    """Adds walks to those that stand at a result."""
    before = places.get(name)
    places[name] = (walks, units) if before is None else (torch.cat([before[0], walks]), torch.cat([before[1], units]))


def _ways(graph: Graph) -> dict[str, list[str]]:
    """For each node, the results that a walk may come from: its inputs, without shortcuts that have no weights."""
    above: dict[str, set[str]] = {INPUT: set()}
    found = {}
    for node in graph.nodes:
        above[node.name] = set(node.inputs).union(*(above[name] for name in node.inputs))
        found[node.name] = [
            name for name in node.inputs if not any(name in above[other] for other in node.inputs if other != name)
        ]
    return found


def kernels_of(graph: Graph, weights: Mapping[str, Tensor]) -> dict[str, Kernels]:
    """The kernels of a graph's layers by node name.

    Args:
        graph: of the network.
        weights: `(out, in, *taps)` by parameter name, zero where pruned.

    Raises:
        ValueError: if two layers were read as one, because nothing separates them.
    """
    feeds, found = graph.feeds, {}
    for node in graph.nodes:
        if node.op != LAYER:
            continue
        if "*" in node.name:
            raise ValueError(f"{node.name} are layers with nothing between them; walks need to know the units there")
        path = node.name.partition("@")[0]
        name = f"{path}.weight" if f"{path}.weight" in weights else "weight"
        if name in weights and weights[name].ndim > 1:
            taps = weights[name].abs().double().reshape(*weights[name].shape[:2], -1).cpu()
            found[node.name] = Kernels(name, taps, feeds[node.name][0] // taps.shape[1])
    return found
