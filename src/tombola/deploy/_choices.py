"""Which layers of a network run on kept weights alone, by measuring each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor, nn

from ._sites import Chain, Site, chains, replaced, sparse
from ._turns import Interval, turns

ROUNDS, SECONDS = 15, 0.05  # of a layer; after the seconds there are no more rounds


@dataclass(frozen=True)
class Layout:
    """How a layer is run at one size of batches.

    Attributes:
        layer: its name.
        shape: of its weight, after compaction.
        kept: how many of its weights are not 0.
        batch: how many inputs there are.
        dense: milliseconds as a dense layer.
        sparse: milliseconds as a sparse one, alone.
        chosen: "dense", "sparse", or "joined" for a sparse one in one call with the layer in front of it.
    """

    layer: str
    shape: tuple[int, ...]
    kept: int
    batch: int
    dense: float
    sparse: float
    chosen: str


class Choices:
    """Networks with sparse layers in some places; the same layers and networks are made once.

    Args:
        module: at evaluation, pruned weights at zero.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.chains = chains(module)
        self.layers: dict[Chain, nn.Module] = {}
        self.networks: dict[tuple[Chain, ...], nn.Module] = {(): module}

    def measured(self, inputs: Tensor) -> list[Layout]:
        """How each layer that could be sparse runs fastest on what these inputs become in front of it."""
        taken = self._taken(inputs)
        return [
            Layout(site.name, tuple(site.layer.weight.shape), site.kept, len(inputs), *times, chosen=chosen)
            for chain in self.chains
            if chain[0] in taken
            for site, times, chosen in self._fastest(chain, taken)
        ]

    def network(self, layouts: Iterable[Layout], inputs: Tensor) -> nn.Module:
        """The network with these layouts, which are of one size of batches.

        Raises:
            ValueError: if they are of another network.
        """
        taken, chosen = self._taken(inputs), {layout.layer: layout.chosen for layout in layouts}
        sites = [site for chain in self.chains if chain[0] in taken for site in chain]
        if list(chosen) != [site.name for site in sites]:
            raise ValueError(f"what was measured is of another network, with the layers {', '.join(chosen)}")
        parts: list[Chain] = []
        for site in sites:
            if chosen[site.name] == "sparse":
                parts.append((site,))
            elif chosen[site.name] == "joined":
                parts[-1] = (*parts[-1], site)
        if tuple(parts) not in self.networks:
            layers = [(part, self._layer(part, taken[part[0]])) for part in parts]
            self.networks[tuple(parts)] = replaced(self.module, layers)
        return self.networks[tuple(parts)]

    def _taken(self, inputs: Tensor) -> dict[Site, Tensor]:
        """What goes into each layer, of those that are called once, with one tensor."""
        calls: dict[Site, list[tuple[object, ...]]] = {site: [] for chain in self.chains for site in chain}

        def noting(site: Site) -> Callable[[nn.Module, tuple[object, ...]], None]:
            return lambda _, given: calls[site].append(given)

        hooks = [site.layer.register_forward_pre_hook(noting(site)) for site in calls]
        try:
            self.module(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        once = {site: found[0][0] for site, found in calls.items() if [len(given) for given in found] == [1]}
        return {site: x for site, x in once.items() if isinstance(x, Tensor)}

    def _fastest(self, chain: Chain, taken: dict[Site, Tensor]) -> list[tuple[Site, tuple[float, float], str]]:
        """Of each layer its times, dense and sparse, and what is chosen."""
        times = {site: self._times(site, taken[site]) for site in chain}
        parts = [tuple(run) for faster, run in groupby(chain, lambda site: times[site][1] < times[site][0]) if faster]
        if len(chain) > 1:
            (together,) = _milliseconds([self._layer(chain, taken[chain[0]])], taken[chain[0]])
            if together < sum(min(times[site]) for site in chain):
                parts = [chain]
        chosen = {site: "joined" if place else "sparse" for part in parts for place, site in enumerate(part)}
        return [(site, times[site], chosen.get(site, "dense")) for site in chain]

    def _times(self, site: Site, x: Tensor) -> tuple[float, float]:
        """Milliseconds, dense and sparse."""
        dense, alone = _milliseconds([site.dense, self._layer((site,), x)], x)
        return dense, alone

    def _layer(self, chain: Chain, x: Tensor) -> nn.Module:
        if chain not in self.layers:
            self.layers[chain] = sparse(chain, x.shape)
        return self.layers[chain]


def _milliseconds(functions: Sequence[Callable[[Tensor], Tensor]], x: Tensor) -> list[float]:
    measured = turns([lambda run=run: run(x) for run in functions], rounds=ROUNDS, seconds=SECONDS)
    return [Interval.of(each).median for each in measured]
