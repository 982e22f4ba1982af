"""Which layers of a network run on kept weights alone, by measuring each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ._pages import settle_
from ._sites import OURS, Chain, Site, chains, made, replaced
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
        milliseconds: as a "dense" layer, a "sparse" one row by row, one in "blocks" of four rows by a column if that
            holds few zeros, and if it is linear in torch's compressed rows, "csr"; on a GPU with "2:4"; each alone.
        chosen: one of these, or "joined" for sparse or blocks, whichever takes less, in one call with what is in front.
    """

    layer: str
    shape: tuple[int, ...]
    kept: int
    batch: int
    milliseconds: dict[str, float]
    chosen: str


Part = tuple[Chain, tuple[str, ...]]  # what is replaced, and by which kinds of layers


class Choices:
    """Networks with sparse layers in some places; the same layers and networks are made once.

    Args:
        module: at evaluation, pruned weights at zero. It is moved to large pages.
    """

    def __init__(self, module: nn.Module) -> None:
        settle_(module)
        self.module = module
        self.chains = chains(module)
        self.layers: dict[Part, nn.Module] = {}
        self.networks: dict[tuple[Part, ...], nn.Module] = {(): module}

    def measured(self, inputs: Tensor) -> list[Layout]:
        """How each layer that could be sparse runs fastest on what these inputs become in front of it."""
        taken = self._taken(inputs)
        return [
            Layout(site.name, tuple(site.layer.weight.shape), site.kept, len(inputs), times, chosen)
            for chain in self.chains
            if chain[0] in taken
            for site, times, chosen in self._fastest(chain, taken)
        ]

    def network(self, layouts: Iterable[Layout], inputs: Tensor) -> nn.Module:
        """The network with these layouts, which are its own, of one size of batches."""
        taken, chosen = self._taken(inputs), {layout.layer: layout for layout in layouts}
        sites = [site for chain in self.chains if chain[0] in taken for site in chain]
        parts: list[Part] = []
        for site in sites:
            kind = chosen[site.name].chosen
            if kind == "joined":
                chain, kinds = parts[-1]
                parts[-1] = ((*chain, site), (*kinds, _ours(chosen[site.name].milliseconds)))
            elif kind != "dense":
                parts.append(((site,), (kind,)))
        if tuple(parts) not in self.networks:
            layers = [(chain, self._layer(chain, kinds, taken)) for chain, kinds in parts]
            found = replaced(self.module, layers)
            settle_(found)
            self.networks[tuple(parts)] = found
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
        images = {site for site in calls if isinstance(site.layer, nn.Conv2d)}
        return {site: x for site, x in once.items() if isinstance(x, Tensor) and (site not in images or x.ndim == 4)}

    def _fastest(self, chain: Chain, taken: dict[Site, Tensor]) -> list[tuple[Site, dict[str, float], str]]:
        """Of each layer its times by kind, and what is chosen."""
        times = {site: self._times(site, taken) for site in chain}
        best = [min(times[site], key=times[site].__getitem__) for site in chain]
        if len(chain) > 1 and OURS & times[chain[0]].keys():
            ours = [_ours(times[site]) for site in chain]
            (together,) = _milliseconds([self._layer(chain, tuple(ours), taken)], taken[chain[0]])
            if together < sum(min(times[site].values()) for site in chain):
                best = ours
        before = ["", *best]
        chosen = ["joined" if {last, kind} <= OURS else kind for last, kind in zip(before, best, strict=False)]
        return list(zip(chain, times.values(), chosen, strict=True))

    def _times(self, site: Site, taken: dict[Site, Tensor]) -> dict[str, float]:
        """Milliseconds of each kind of layer that there is."""
        kinds = site.kinds
        layers = [site.dense, *(self._layer((site,), (kind,), taken) for kind in kinds)]
        return dict(zip(["dense", *kinds], _milliseconds(layers, taken[site]), strict=True))

    def _layer(self, chain: Chain, kinds: tuple[str, ...], taken: dict[Site, Tensor]) -> nn.Module:
        if (chain, kinds) not in self.layers:
            layer = made(chain, kinds, taken[chain[0]].shape)
            settle_(layer)
            self.layers[chain, kinds] = layer
        return self.layers[chain, kinds]


def _ours(times: Mapping[str, float]) -> str:
    """Which of our own kinds takes less."""
    return min(OURS & times.keys(), key=times.__getitem__)


def _milliseconds(functions: Sequence[Callable[[Tensor], Tensor]], x: Tensor) -> list[float]:
    measured = turns([lambda run=run: run(x) for run in functions], rounds=ROUNDS, seconds=SECONDS)
    return [Interval.of(each).median for each in measured]
