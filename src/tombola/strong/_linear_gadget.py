"""A matrix as the product of two pruned random matrices with nothing between them.

[Otsuka2025] Otsuka, Chijiwa, Okoshi, Fujiki, Takeuchi, Motomura, "The strong lottery ticket hypothesis for multi-head
attention mechanisms", arXiv 2511.04217, Lemma 4.

Without an activation a hidden unit that keeps the edge `u` of input i carries `u x_i` for either sign of `x_i`: one
subset sum of products `u v` serves both signs, where a ReLU would need one for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tombola.engines import Workers, map_blocks
from tombola.random_source import Source, Uniform
from tombola.ticket import BitMask, MaskedTensor, OwnerMask, unpack

from ._adaptive import Pool, PortSolution, Solver, solve_port, solve_problem
from ._layer import column_mask, half_width, height_of, kept_rows
from ._problem import Problem
from ._two_layer import LEAST_FACTOR

MARGIN = 2.0**-30  # of the tolerance, for the rounding of sums that are added up in another order

Solved = tuple[list[Pool], list[PortSolution]]
Allocation = Callable[[Problem, Solver, Workers], Solved]
"""How hidden units are handed out to the inputs, and what they keep."""


def adaptive_units(problem: Problem, solver: Solver, workers: Workers) -> Solved:
    """Units for each input as they are needed, so that all sums meet the tolerance with a width as small as may be.

    Heuristic in the width, exact in the sums.

    Example:
        >>> from torch import nn
        >>> from tombola.strong import AttentionTarget, attention_ticket
        >>> target = AttentionTarget.of(nn.MultiheadAttention(4, 1))
        >>> attention_ticket(target, seed=1, allocation=adaptive_units).failures
        0
    """
    return solve_problem(problem, solver, threads=workers.threads, progress=workers.progress)


@dataclass(frozen=True)
class BlindUnits:
    """Equally many consecutive units for each input, laid down before a value is looked at [Otsuka2025, Lemma 4].

    The guarantee of the lemma is probabilistic: blocks of `C log(d1 d2 / epsilon)` units meet every entry within
    `epsilon / (d1 d2)` with probability `1 - epsilon`. Entries that a block cannot meet are reported.

    Args:
        size: units in each block.

    Raises:
        ValueError: if the size is not positive.

    Example:
        >>> from torch import nn
        >>> from tombola.strong import AttentionTarget, attention_ticket
        >>> target = AttentionTarget.of(nn.MultiheadAttention(4, 1, bias=False))
        >>> attention_ticket(target, seed=1, allocation=BlindUnits(10)).width
        40
    """

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a block has at least one unit, got {self.size}")

    def __call__(self, problem: Problem, solver: Solver, workers: Workers) -> Solved:
        """The blocks and what each entry keeps of its own."""

        def solve(port: int) -> tuple[Pool, PortSolution]:
            units = np.arange(port * self.size, (port + 1) * self.size)
            pool = Pool(units, problem.factors(units)[:, problem.columns[port]])
            workers.progress(problem.active(port).size)
            return pool, solve_port(problem, port, pool, solver)

        solved = map_blocks(solve, range(problem.columns.size), threads=workers.threads)
        return [pool for pool, _ in solved], [solution for _, solution in solved]


@dataclass(frozen=True)
class LinearGadget:
    """One matrix to be built: `target[i, j] = sum over units of owned[unit, i] shared[unit, j] / sqrt(divisor)`.

    Attributes:
        target: `(inputs [+ 1], m)` float64; the last row belongs to a constant input where there is one.
        constant: whether it does.
        owned: name of the tensor `(units, inputs)` that keeps at most one edge per unit.
        shared: name of the tensor `(units, m)` that keeps as many as it likes.
        transposed: whether the rows of the shared tensor are its layer's inputs.
        tolerance: the largest |product - target| allowed.
    """

    target: Float[np.ndarray, "ports m"]
    constant: bool
    owned: str
    shared: str
    transposed: bool
    tolerance: float

    @property
    def inputs(self) -> int:
        """How many inputs, without the constant."""
        return self.target.shape[0] - self.constant

    def laws(self, divisor: int) -> tuple[Uniform, Uniform]:
        """The laws of both tensors: `divisor ** (1/4)` each, the shared one scaled to the target."""
        return Uniform(divisor**0.25), Uniform(half_width(self.target) * divisor**0.25)

    def problem(self, source: Source, divisor: int) -> Problem:
        """Units and ports; in the unit of the products, which is `sqrt(divisor)` times the target's."""
        first, second = self.laws(divisor)
        root, (ports, m) = math.sqrt(divisor), self.target.shape

        def factors(units: np.ndarray) -> np.ndarray:
            rows = source.block(self.owned, first, units, range(self.inputs), threads=1)
            if not self.constant:
                return rows
            return np.hstack([rows, source.block(f"{self.owned}.bias", first, units, range(1), threads=1)])

        return Problem(
            targets=self.target * root,
            columns=np.arange(ports),
            signs=np.zeros(ports, np.int64),
            factors=factors,
            elements=lambda units: source.block(self.shared, second, units, range(m), threads=1),
            least_factor=LEAST_FACTOR * first.half_width,
            tolerance=self.tolerance * root * (1 - MARGIN),
        )

    def tensors(self, solved: Solved, divisor: int, height: int) -> dict[str, MaskedTensor]:
        """The masks of both tensors, and of the owned one's bias, for a source of `height` units."""
        (ports, m), (first, second) = self.target.shape, self.laws(divisor)
        owner, packed = kept_rows(*solved, np.arange(ports), height, width=m)
        edges = np.where(owner == self.inputs, -1, owner).astype(np.int32)
        tensors = {self.owned: MaskedTensor(OwnerMask(edges, self.inputs), first)}
        if self.constant:
            tensors[f"{self.owned}.bias"] = MaskedTensor(column_mask(owner == self.inputs), first)
        return tensors | {self.shared: MaskedTensor(BitMask(packed, m), second, transposed=self.transposed)}

    def effective(self, tensors: dict[str, MaskedTensor], source: Source, divisor: int) -> np.ndarray:
        """The product `(inputs [+ 1], m)` float64 that the masks give, from the source's values alone."""
        names = [self.owned, f"{self.owned}.bias"] if self.constant else [self.owned]
        factors = np.hstack([masked_values(tensors[name], name, source) for name in names])
        shared = masked_values(tensors[self.shared], self.shared, source)
        return factors.astype(np.float64).T @ shared.astype(np.float64) / math.sqrt(divisor)


def masked_values(tensor: MaskedTensor, name: str, source: Source) -> np.ndarray:
    """The values `(rows, columns)` float32 of a tensor, zero where it is pruned."""
    rows, columns = tensor.mask.shape
    assert tensor.law is not None
    return np.where(unpack(tensor.mask), source.block(name, tensor.law, range(rows), range(columns)), np.float32(0))


@dataclass(frozen=True)
class BuiltGadgets:
    """The gadgets of all heads: masks, the units that each has, the products in float64, and what they miss."""

    tensors: dict[str, MaskedTensor]
    width: int
    products: np.ndarray
    errors: np.ndarray
    failures: int


def build_gadgets(
    gadgets: list[LinearGadget], source: Source, *, by_width: bool, allocate: Callable[[Problem], Solved]
) -> BuiltGadgets:
    """Gadgets of one shape; `by_width` for queries and keys, whose products are divided by the root of the width."""
    solved, width = solve_gadgets(gadgets, source, by_width=by_width, allocate=allocate)
    divisor = width if by_width else 1
    tensors: dict[str, MaskedTensor] = {}
    for gadget, one in zip(gadgets, solved, strict=True):
        tensors |= gadget.tensors(one, divisor, width)
    products = np.stack([gadget.effective(tensors, source, divisor) for gadget in gadgets])
    gaps = np.abs(products - np.stack([gadget.target for gadget in gadgets]))
    allowed = np.array([gadget.tolerance for gadget in gadgets])
    failures = int((gaps > allowed[:, None, None]).sum())
    return BuiltGadgets(tensors, width, products, gaps.max(axis=(1, 2), initial=0.0), failures)


def solve_gadgets(
    gadgets: list[LinearGadget], source: Source, *, by_width: bool, allocate: Callable[[Problem], Solved]
) -> tuple[list[Solved], int]:
    """What each gadget keeps, and the number of units that all of them have.

    With `by_width` the products are divided by the root of that number, and the laws scaled by its fourth root. That
    rounds the values anew, by parts in 10^7, so the sums are solved again for the number that they themselves need.
    """
    width = 1
    while True:
        solved = [allocate(gadget.problem(source, width)) for gadget in gadgets]
        height = max(height_of(pools) for pools, _ in solved)
        if not by_width:
            return solved, height
        if height <= width:
            return solved, width
        width = height
