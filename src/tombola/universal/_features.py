"""The features of a universal ticket, computed as fast as its piecewise-linear blocks allow.

Hidden units are not run one by one: what a block does to a number is looked up in a table of its straight pieces, and
blocks that follow each other are one table. The values are those of the masked network but for float64's rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tombola.effective import effective_maps
from tombola.engines import map_blocks
from tombola.ticket import Ticket

from ._function import Function
from ._piecewise import PiecewiseLinear
from ._realised import block_of_maps, linear_of_maps
from ._step import Realised, RealisedBlock, RealisedLinear

ROWS = 4096  # inputs that a thread takes at a time
CELLS = 4  # of the grid that finds a piece, for each piece


@dataclass(frozen=True, eq=False)
class Table:
    """A broken line as the straight pieces between its breakpoints.

    Attributes:
        points: `(pieces + 1,)` float64, ascending.
        values: `(pieces + 1,)` what the line is there.
    """

    points: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, line: PiecewiseLinear) -> Table:
        """The table of a piecewise-linear function."""
        points = line.breakpoints
        return cls(points, line(points))

    def then(self, after: Table) -> Table:
        """The table of `after(self(x))`.

        Example:
            >>> rise = Table(np.array([0.0, 1.0]), np.array([0.0, 2.0]))
            >>> tent = Table(np.arange(3.0), np.array([0.0, 1.0, 0.0]))
            >>> both = rise.then(tent)
            >>> both.points.tolist(), both.values.tolist()
            ([0.0, 0.5, 1.0], [0.0, 1.0, 0.0])
        """
        left, right = self.values[:-1, None], self.values[1:, None]
        cuts = np.broadcast_to(after.points, (left.size, after.points.size))
        inside = (cuts > np.minimum(left, right)) & (cuts < np.maximum(left, right))
        piece, cut = np.nonzero(inside)
        share = (after.points[cut] - left[piece, 0]) / (right - left)[piece, 0]
        crossed = self.points[piece] + share * np.diff(self.points)[piece]
        points = np.concatenate([self.points, crossed])
        reached = np.concatenate([self.values, after.points[cut]])
        points, first = np.unique(points, return_index=True)
        return Table(points, np.interp(reached[first], after.points, after.values))

    def lookup(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
        """First pieces of the cells of an even grid, points, values, slopes and cells per unit, for the kernels."""
        pieces = self.points.size - 1
        cells = CELLS * pieces
        edges = self.points[0] + (self.points[-1] - self.points[0]) * np.arange(cells + 1) / cells
        first = np.searchsorted(self.points, edges, side="right") - 1
        slopes = np.diff(self.values) / np.diff(self.points)
        scale = cells / float(self.points[-1] - self.points[0])
        return np.clip(first, 0, pieces - 1), self.points, self.values, slopes, scale


@dataclass(frozen=True, eq=False)
class Features:
    """What a universal ticket computes.

    Attributes:
        dimension: how many inputs.
        before: of each coordinate, ahead of the affine map; None: the coordinate itself.
        linear: the affine map, with a ReLU behind it; None where there is none.
        after: of each output of the affine map, or, where there is none, the channels of each coordinate.

    Example:
        >>> from tombola.universal import build, polynomial
        >>> square = Features.of(build(polynomial(1, 2)))
        >>> square(np.array([[0.0], [1.0]])).round(3).tolist()
        [[0.5, 0.25], [1.0, 1.0]]
    """

    dimension: int
    before: Table | None
    linear: RealisedLinear | None
    after: tuple[Table, ...]

    @classmethod
    def of(cls, ticket: Ticket) -> Features:
        """The features of a ticket of kind "universal", read from its masks and its source."""
        return cls.of_steps(ticket.record["family"]["dimension"], realised_steps(ticket))

    @classmethod
    def of_steps(cls, dimension: int, steps: Sequence[Realised]) -> Features:
        """The same from steps as they are realised."""
        blocks: tuple[list[RealisedBlock], list[RealisedBlock]] = [], []
        linear = None
        for step in steps:
            if isinstance(step, RealisedLinear):
                linear = step
            else:
                assert isinstance(step, RealisedBlock)
                blocks[linear is not None].append(step)
        if linear is None:
            return cls(dimension, None, None, tuple(Table.of(line) for line in blocks[0][0].functions))
        ahead, behind = (_chained(part) for part in blocks)
        assert behind is not None
        return cls(dimension, ahead, linear, (behind,))

    @property
    def count(self) -> int:
        """How many features."""
        return len(self.after) * self.dimension if self.linear is None else len(self.linear.weight)

    def __call__(self, x: np.ndarray, *, threads: int | None = None) -> np.ndarray:
        """The features `(n, count)` float64 of inputs `(n, dimension)` float64 in `[0, 1]`.

        Cost: O(1) for each feature and each exponent of it that is not 0.

        Args:
            x: the inputs; what lies outside of the box is moved to its edge.
            threads: that share the rows; all cores by default.

        Raises:
            ValueError: for another number of columns.
        """
        from ._feature_kernels import additive_rows, composed_rows

        if x.ndim != 2 or x.shape[1] != self.dimension:
            raise ValueError(f"inputs are (n, {self.dimension}), got {x.shape}")
        x = np.ascontiguousarray(np.clip(x, 0.0, 1.0), np.float64)
        out = np.empty((len(x), self.count))
        starts = range(0, len(x), ROWS)
        tables = [table.lookup() for table in self.after]
        if self.linear is None:

            def fill(start: int) -> None:
                for channel, table in enumerate(tables):
                    additive_rows(x[start : start + ROWS], table, channel * self.dimension, out[start : start + ROWS])
        else:
            rows = _sparse_rows(self.linear)
            ahead = (IDENTITY if self.before is None else self.before).lookup()

            def fill(start: int) -> None:
                composed_rows(x[start : start + ROWS], ahead, rows, tables[0], out[start : start + ROWS])

        map_blocks(fill, starts, threads=threads)
        return out


IDENTITY = Table(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def realised_steps(ticket: Ticket) -> list[Realised]:
    """What the steps of a universal ticket have become, in order."""
    maps = {one.layer: one for one in effective_maps(ticket)}
    relus = {stage.layer: stage.relu for stage in ticket.stages}
    found: list[Realised] = []
    for step in ticket.record["steps"]:
        name = step["name"]
        if step["kind"] == "linear":
            found.append(linear_of_maps(name, maps))
            continue
        channel = Function(name, np.asarray, 0.0, step["high"])
        found.append(block_of_maps(name, maps, [channel] * step["channels"], relu=relus[f"{name}.values"]))
    return found


def _chained(blocks: Sequence[RealisedBlock]) -> Table | None:
    """Blocks one after the other as one table."""
    table = None
    for block in blocks:
        own = Table.of(block.functions[0])
        table = own if table is None else table.then(own)
    return table


def _sparse_rows(linear: RealisedLinear) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The affine map row by row: where each row starts, columns and weights that are not 0, and biases."""
    row, column = np.nonzero(linear.weight)
    starts = np.searchsorted(row, np.arange(len(linear.weight) + 1))
    return starts, column, linear.weight[row, column], linear.bias
