"""What a construction will cost, predicted from a sample of its ports before any of it is done."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor, nn

from tombola.engines import available_cores
from tombola.graph import Graph, read_graph
from tombola.random_source import Source
from tombola.subset_sum import counting_bound, sparsest

from ._adaptive import Pool, PortSolution, Solver, grow_pools, solve_port
from ._ball import Ball
from ._construct import Construction
from ._input_sets import InputSet
from ._layer import TargetLayer, height_of
from ._one_extra import copy_problem, one_extra, with_constants
from ._one_extra_graph import repeated, wide_problem, with_grain
from ._problem import FreeUnits, Problem
from ._stream_copies import StreamCopies
from ._targets import targets
from ._tolerance import Tolerance
from ._two_layer import pair_problem, two_layer

SAMPLE = 24  # ports of each layer that are really solved


@dataclass(frozen=True)
class Estimate:
    """A prediction. Heuristic: from a sample of ports, spread over the easy and the hard ones.

    Attributes:
        widths: hidden units of the parent, layer by layer.
        source_parameters: weights of the parent.
        counting_bound: the fewest that any parent can have, by counting.
        ticket_bytes: size of the file.
        memory_bytes: memory above that of the target.
        seconds: on this machine, all cores, certificate not included.
    """

    widths: tuple[int, ...]
    source_parameters: int
    counting_bound: float
    ticket_bytes: int
    memory_bytes: int
    seconds: float


@dataclass(frozen=True)
class _Part:
    """The prediction for the units of one problem."""

    height: int
    bytes: float
    seconds: float


def estimate(
    model: nn.Module,
    example: Tensor,
    *,
    seed: int = 0,
    construction: Construction = two_layer,
    solver: Solver = sparsest,
    tolerance: Tolerance | None = None,
    inputs: InputSet | None = None,
) -> Estimate:
    """Size, memory and time of `construct` with the same arguments, from a sample; costs a fraction of a second.

    Example:
        >>> import torch
        >>> target = nn.Sequential(nn.Linear(784, 500, bias=False), nn.ReLU(), nn.Linear(500, 10, bias=False))
        >>> estimate(target, torch.zeros(1, 784), inputs=Ball(nonnegative=True)).source_parameters > 784 * 500
        True
    """
    tolerance, inputs, source = tolerance or Tolerance(), inputs or Ball(1.0), Source(seed)
    graph = read_graph(model, example)
    layers = targets(graph, tolerance, inputs)
    if construction is one_extra and not graph.is_dense_chain():
        parts, sizes = _one_extra_graph(graph, layers, source, solver)
    else:
        parts, sizes = (_one_extra if construction is one_extra else _two_layer)(layers, source, solver)
    weights = sum(layer.parameters.size for layer in layers)
    widest = max(layer.augmented.size for layer in layers)
    return Estimate(
        tuple(part.height for part in parts),
        sum(sizes),
        sum(counting_bound(one.parameters.size, tolerance.weight_epsilon) for one in layers),
        int(sum(part.bytes for part in parts)) + 4096,
        8 * weights + 4 * 8 * widest + sum(sizes) // 8,
        sum(part.seconds for part in parts),
    )


def _two_layer(layers: list[TargetLayer], source: Source, solver: Solver) -> tuple[list[_Part], list[int]]:
    parts = [_sampled(pair_problem(layer, source)[0], solver) for layer in layers]
    return parts, [
        part.height * (layer.augmented.shape[1] + layer.outputs) for part, layer in zip(parts, layers, strict=True)
    ]


def _one_extra(layers: list[TargetLayer], source: Source, solver: Solver) -> tuple[list[_Part], list[int]]:
    """Backwards, as the construction goes, with copies spread evenly over the neurons."""
    lifted = with_constants(layers)
    copies, parts, sizes = np.arange(lifted[-1].outputs), [], []
    for layer in reversed(lifted[1:]):
        part = _sampled(copy_problem(layer, copies, copies.size, source), solver)
        parts.append(part)
        sizes.append(part.height * copies.size)
        copies = np.arange(part.height) % layer.inputs
    first = lifted[0]
    bias = None if first.bias is None else first.bias[copies]
    repeated = replace(first, weight=first.weight[copies], bias=bias)
    part = _sampled(pair_problem(repeated, source)[0], solver)
    return [*parts, part][::-1], [*sizes, part.height * (repeated.augmented.shape[1] + repeated.outputs)][::-1]


def _one_extra_graph(
    graph: Graph, layers: list[TargetLayer], source: Source, solver: Solver
) -> tuple[list[_Part], list[int]]:
    """Backwards likewise; layers that take the results of one stream share its copies. Constants are left out."""
    streams, parts = StreamCopies(graph).streams, []
    of, copies = streams.of, {}
    for given in reversed(layers):
        feed = streams.takes[given.name]
        layer = given if streams.first(given.name) else with_grain(given, streams.grains[feed])
        channels = streams.channels[of[given.name]]
        above = copies.setdefault(of[given.name], np.arange(channels))
        if streams.first(given.name):
            problem, _ = pair_problem(repeated(layer, above), source)
        else:
            problem = wide_problem(replace(layer, bias=None), above, source, lambda units: np.zeros(units.size))
        part = _sampled(problem, solver)
        parts.append((part, layer))
        if not streams.first(given.name):
            units = max(part.height, copies.get(of[feed], np.empty(0)).size)
            copies[of[feed]] = np.arange(units) % streams.channels[of[feed]]
    columns = [copies[of[layer.name]].size * layer.taps for _, layer in parts]
    sizes = [
        part.height * ((layer.augmented.shape[1] if streams.first(layer.name) else 0) + width)
        for (part, layer), width in zip(parts, columns, strict=True)
    ]
    return [part for part, _ in parts][::-1], sizes[::-1]


def _sampled(problem: Problem, solver: Solver) -> _Part:
    """Height, mask bytes and seconds of a whole problem, from ports spread over the order in which they are served.

    The height of a sample leaves out units that nobody takes; where all ports are served they are counted.
    """
    ports = len(problem.columns)
    chosen = problem.order()[np.unique(np.linspace(0, ports - 1, min(SAMPLE, ports)).round().astype(np.int64))]
    sample = replace(
        problem, targets=problem.targets[chosen], columns=problem.columns[chosen], signs=problem.signs[chosen]
    )
    _served(replace(sample, targets=sample.targets[:1], columns=sample.columns[:1], signs=sample.signs[:1]), solver)
    started = time.perf_counter()
    pools, solutions, growing = _served(sample, solver, tail=chosen.size == ports)
    solving = time.perf_counter() - started - growing
    share = ports / chosen.size
    height = height_of(pools) if chosen.size == ports else round(share * sum(pool.units.size for pool in pools))
    kept = share * sum(solution.edges for solution in solutions)
    cells = max(1, height * problem.targets.shape[1])
    density = min(1.0, max(kept / cells, 1e-9))
    entropy = -density * np.log2(density) - (1 - density) * np.log2(max(1 - density, 1e-9))
    return _Part(height, cells * entropy / 8 + 4 * height, share * (growing + solving / available_cores()))


def _served(problem: Problem, solver: Solver, *, tail: bool = False) -> tuple[list[Pool], list[PortSolution], float]:
    started = time.perf_counter()
    pools = grow_pools(problem, FreeUnits(problem), progress=lambda _: None, tail=tail)
    growing = time.perf_counter() - started
    return pools, [solve_port(problem, port, pool, solver) for port, pool in enumerate(pools)], growing
