"""Which units stand for which channels of a target, stream by stream, while its layers are built from last to first."""

from __future__ import annotations

import numpy as np

from tombola.errors import UnsupportedModuleError
from tombola.graph import INPUT, LAYER, Graph, Streams, Units

from ._adaptive import Pool
from ._problem import NOBODY

FREE, CONSTANT = -1, -2  # in place of a channel
FIRST_POOL = 24  # units that a port begins with, at most: enough for most sums, and few enough for the exact solvers
PROBE = np.array([0.5, 1.0])  # biases that tell whether a constant arrives


class StreamCopies:
    """The units of every stream.

    A unit is a copy of one channel, or a constant that one layer's bias makes, or free, all along its stream; at some
    results it has to be that, at others nobody looks.

    Args:
        graph: the target.

    Raises:
        UnsupportedModuleError: if copies of channels cannot stand for the channels of this target.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola.graph import read_graph
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 3))
        >>> copies = StreamCopies(read_graph(net, torch.zeros(1, 2)))
        >>> copies.take("2", np.array([0, 1, -1, 1]), None)
        >>> copies.at("0").tolist(), copies.at("2").tolist()
        ([0, 1, -1, 1], [0, 1, 2])
    """

    def __init__(self, graph: Graph) -> None:
        self.streams = Streams(graph.nodes, graph.input_shape)
        self._relu = {layer.name for layer in graph.layers if layer.relu}
        self._layers = [layer.name for layer in graph.layers]
        self._nodes = {node.name: node for node in graph.nodes}
        last = graph.nodes[-1].name
        _check(self.streams, self._layers, self.streams.of[last])
        self._owner = {stream: NOBODY for stream in self.streams.of.values()}
        self._made: dict[str, dict[int, str]] = {stream: {} for stream in self.streams.of.values()}
        self._needed = {name: NOBODY for name in self.streams.of}
        outputs = np.arange(self.streams.channels[self.streams.of[last]])
        self._owner[self.streams.of[last]] = outputs
        self._need(last, outputs)

    def width(self, layer: str) -> int:
        """How many units the stream of a layer's result has, one at least."""
        return max(1, self._owner[self.streams.of[layer]].size)

    def width_below(self, layer: str) -> int:
        """How many units a layer takes."""
        return self.width(self.streams.takes[layer])

    def at(self, layer: str) -> np.ndarray:
        """`(width,)` int64: the channel of which a unit has to be a copy in a layer's result, -1 for none."""
        found = np.full(self.width(layer), FREE)
        units = self._needed[layer]
        found[units] = self._owner[self.streams.of[layer]][units]
        return found

    def constants(self, layer: str) -> np.ndarray:
        """`(width,)` bool: the units that are constants which a layer's own bias makes."""
        found = np.zeros(self.width(layer), np.bool_)
        found[[unit for unit, maker in self._made[self.streams.of[layer]].items() if maker == layer]] = True
        return found

    def taken(self, layer: str) -> np.ndarray:
        """The units below a layer that are not free."""
        return np.flatnonzero(self._owner[self.streams.of[self.streams.takes[layer]]] != FREE)

    def pools(self, layer: str) -> list[Pool]:
        """The copies of every channel that a layer can read already; first of all those that it gets for nothing."""
        feed = self.streams.takes[layer]
        stream = self.streams.of[feed]
        owner, needed = self._owner[stream], self._needed[feed]
        pools = []
        for channel in range(self.streams.channels[stream]):
            units = np.flatnonzero(owner == channel)
            chosen = units[np.argsort(~np.isin(units, needed), kind="stable")][:FIRST_POOL]
            pools.append(Pool(np.sort(chosen), np.ones(chosen.size, np.float32)))
        return pools

    def constant_pool(self, layer: str, values: dict[str, np.ndarray], least: float) -> Pool:
        """The constants below a layer that it can read; `values` are those of all units' biases, by the layer above."""
        stream = self.streams.of[self.streams.takes[layer]]
        found = {unit: values[maker][unit] for unit, maker in self._made[stream].items() if maker in values}
        units = np.array(sorted(unit for unit, value in found.items() if value >= least), np.int64)[:FIRST_POOL]
        return Pool(units, np.array([found[unit] for unit in units.tolist()], np.float32))

    def makers(self, layer: str) -> list[str]:
        """The layers whose biases make constants that reach a layer, the first one in front."""
        feed = self.streams.takes[layer]
        before = self._layers[: self._layers.index(layer)]
        ahead = [one for one in before if self.streams.of[one] == self.streams.of[feed]]
        found = {one: self.values(one, feed, PROBE) for one in ahead}
        return [one for one, values in found.items() if values.min() > 0 and values[0] != values[1]]

    def values(self, maker: str, result: str, biases: np.ndarray) -> np.ndarray:
        """What units are worth at a result that keep nothing but a bias in one layer; 0 where that does not last."""
        none = np.full(biases.shape, FREE)
        started = {name: Units(none, np.zeros(biases.shape)) for name in self._layers}
        started[maker] = Units(none, biases.astype(np.float64))
        found = self.streams.units(started, self._relu)[result].values
        return np.where(np.isnan(found) | (biases <= 0), 0.0, found)

    def take(self, layer: str, owner: np.ndarray, maker: str | None) -> None:
        """Units below a layer become copies.

        Args:
            layer: it reads them.
            owner: `(units,)` the channel of each, -1 where it is not used, and the number of channels for constants.
            maker: the layer whose bias makes those that are constants from now on.
        """
        feed = self.streams.takes[layer]
        stream = self.streams.of[feed]
        width = max(self._owner[stream].size, int(np.flatnonzero(owner >= 0).max(initial=-1)) + 1)
        grown = np.full(width, FREE)
        grown[: self._owner[stream].size] = self._owner[stream]
        units = np.flatnonzero(owner >= 0)
        constant = owner[units] == self.streams.channels[stream]
        for unit in units[constant].tolist():
            if grown[unit] == FREE and maker is not None:
                self._made[stream][unit] = maker
        grown[units] = np.where(constant, CONSTANT, owner[units])
        self._owner[stream] = grown
        self._need(feed, units[~constant])

    def _need(self, result: str, units: np.ndarray) -> None:
        """Units have to be copies in a result, and so in those that it is made of unit by unit."""
        self._needed[result] = np.union1d(self._needed[result], units)
        node = self._nodes[result]
        if node.op != LAYER:
            for name in node.inputs:
                self._need(name, units)


def _check(streams: Streams, layers: list[str], output: str) -> None:
    """Raises UnsupportedModuleError where copies cannot stand for channels."""
    wanted = ("in one_extra, additions of results of layers and a last layer", "any in two_layer")
    try:
        _ = streams.channels
    except ValueError as error:
        raise UnsupportedModuleError("", str(error), wanted) from error
    if any(streams.of[layer] == INPUT for layer in layers):
        raise UnsupportedModuleError("", "an addition of the network's own input", wanted)
    if any(streams.of[streams.takes[layer]] == output for layer in layers):
        raise UnsupportedModuleError("", "an output whose channels layers read as well", wanted)
