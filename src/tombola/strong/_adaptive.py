"""Adaptive pools: every port takes the units that it needs, and no more.

Units of a blind, uniform pool fail on a few lopsided draws, and making all pools large enough for the worst one costs
three times the width. Here units are handed out one by one: among the next free units a port takes the one that brings
most of its unsolved targets within tolerance, until all are. Nothing is ever drawn again: an unsuitable unit stays free
for the next port. Heuristic in the number of units, exact in what it reports (each sum is solved again in float64).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tombola.engines import map_blocks
from tombola.subset_sum import SubsetSums

from ._problem import NOBODY, FreeUnits, Problem

OFFER = 256  # free units to choose among
LAST_OFFER = 12  # fewer towards the end, so that no long tail of unowned units remains
LARGEST_POOL = 72  # units; half of them offer an element where a unit needs a positive edge, one in one elsewhere
LARGEST_SUM = 40  # elements of one target that the exact solvers take
BLOCK = 8  # ports that a thread solves at a time
ROUNDS = 4  # of repair, each with a more careful grid

Solver = Callable[..., SubsetSums]


@dataclass
class Pool:
    """The units of one port, ascending, with the factor of the edge that owns each."""

    units: np.ndarray
    factors: np.ndarray

    def joined(self, units: np.ndarray, factors: np.ndarray) -> Pool:
        """This pool and some more units, ascending."""
        merged = np.concatenate([self.units, units])
        order = np.argsort(merged)
        return Pool(merged[order], np.concatenate([self.factors, factors])[order])


@dataclass(frozen=True)
class PortSolution:
    """What one port keeps.

    Attributes:
        kept: `(units, ceil(m / 8))` uint8, the kept elements of each unit, packed with the lowest bit first.
        errors: `(m,)` float32, |sum of kept elements - target|, computed in float64 and rounded.
        missed: `(k,)` the targets whose sum misses the tolerance.
        edges: how many elements are kept.
    """

    kept: np.ndarray
    errors: np.ndarray
    missed: np.ndarray
    edges: int


def grow_pools(
    problem: Problem,
    free: FreeUnits,
    *,
    progress: Callable[[int], None],
    tail: bool = True,
    pools: list[Pool] | None = None,
) -> list[Pool]:
    """A pool for every port, chosen in the order of difficulty; without `tail` the last ports choose as freely.

    Pools that are given are extended where they do not suffice.
    """
    pools = [Pool(NOBODY, np.empty(0, np.float32)) for _ in problem.columns] if pools is None else list(pools)
    order = problem.order()
    for done, port in enumerate(order.tolist()):
        left = len(order) - done
        active = problem.active(port)
        if active.size:
            offer = min(OFFER, max(LAST_OFFER, 2 * left)) if tail else OFFER
            pools[port] = extend_pool(problem, free, port, pools[port], active, offer=offer)
        progress(active.size)
    return pools


def extend_pool(
    problem: Problem, free: FreeUnits, port: int, pool: Pool, active: np.ndarray, *, offer: int, care: int = 1
) -> Pool:
    """The pool with enough units more to reach the active targets; `care` cells are left as a margin for rounding."""
    from ._reach import CELLS, choose_units, grid_elements

    scale = CELLS / problem.tolerance
    targets = problem.targets[port][active]
    wanted = np.round(targets * scale).astype(np.int32)
    owned = np.round(candidates(problem, pool, active) * scale).astype(np.int32)
    while True:
        ids, slots, factors = free.offer(port, offer)
        cells = grid_elements(factors, slots, free.rows, active, np.float32(scale))
        reach = np.abs(wanted).max() + max(np.abs(cells).max(), np.abs(owned).max(initial=0)) + CELLS
        chosen, reached = choose_units(wanted, owned, cells, 32 * -(-int(reach) // 32), CELLS - care)
        room = LARGEST_POOL - pool.units.size
        if reached or chosen.size >= room:
            chosen = chosen[: max(0, room)]
            free.take(ids[chosen])
            return pool.joined(ids[chosen], factors[chosen])
        offer *= 2


def candidates(problem: Problem, pool: Pool, active: np.ndarray) -> np.ndarray:
    """What a pool offers to some targets `(targets, units)`: exact products in float64."""
    rows = problem.elements(pool.units)[:, active]
    return rows.T.astype(np.float64) * pool.factors.astype(np.float64)


def solve_port(problem: Problem, port: int, pool: Pool, solver: Solver) -> PortSolution:
    """The edges that a port keeps, by exact subset sums over its pool."""
    m = problem.targets.shape[1]
    targets, active = problem.targets[port].astype(np.float64), problem.active(port)
    errors = np.abs(targets)
    chosen = np.zeros((pool.units.size, m), np.bool_)
    missed = np.empty(0, np.int64)
    if active.size:
        offered, position = compressed(candidates(problem, pool, active))
        sums = solver(offered, targets[active], epsilon=problem.tolerance)
        errors[active], missed = sums.error, active[~sums.met]
        target, element = np.nonzero(sums.selection)
        chosen[position[target, element], active[target]] = True
    packed = np.packbits(chosen, axis=1, bitorder="little")
    return PortSolution(packed, errors.astype(np.float32), missed, int(chosen.sum()))


def compressed(offered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Candidates without the zeros that rows can spare, and where each stood; order within a row is kept."""
    absent = offered == 0
    most = min(LARGEST_SUM, int((~absent).sum(axis=1).max(initial=0)))
    if offered.shape[1] <= LARGEST_SUM and (not absent.any() or most == 0):
        return offered, np.broadcast_to(np.arange(offered.shape[1]), offered.shape)
    position = np.argsort(absent, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(offered, position, axis=1), position


def solve_problem(
    problem: Problem,
    solver: Solver,
    *,
    threads: int | None,
    progress: Callable[[int], None],
    pools: list[Pool] | None = None,
    taken: np.ndarray = NOBODY,
) -> tuple[list[Pool], list[PortSolution]]:
    """Pools and kept edges for all ports: grow, solve in parallel, repair what the grid let through.

    The answer does not depend on `threads`.

    Args:
        problem: units, ports and targets.
        solver: of subset sums.
        threads: that solve ports at the same time.
        progress: called with the number of targets done.
        pools: units that ports have to begin with; none where this is None.
        taken: units that are not free, those of `pools` among them.
    """
    free = FreeUnits(problem, taken)
    pools = grow_pools(problem, free, progress=progress, pools=pools)
    blocks = [range(start, min(start + BLOCK, len(pools))) for start in range(0, len(pools), BLOCK)]
    solved = map_blocks(
        lambda block: [solve_port(problem, port, pools[port], solver) for port in block], blocks, threads=threads
    )
    solutions = [solution for block in solved for solution in block]
    for care in range(4, 4 + 3 * ROUNDS, 3):
        failing = [port for port, solution in enumerate(solutions) if solution.missed.size]
        for port in failing:
            missed = solutions[port].missed
            pools[port] = extend_pool(problem, free, port, pools[port], missed, offer=LAST_OFFER, care=care)
            solutions[port] = solve_port(problem, port, pools[port], solver)
    return pools, solutions
