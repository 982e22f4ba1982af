"""The form of an input set in which spectral bounds are taken: a centre and independent groups of directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from tombola.rounding import gamma, upward


@dataclass(frozen=True, eq=False)
class Generators:
    r"""The points `centre + spread * z`, where every group of coordinates of `z` has 2-norm at most 1.

    A ball is one group, a box has one group per coordinate. For weights \(\tau > 0\) of sum 1, one for the centre and
    one per group, the vector \((\sqrt{\tau_0}, \sqrt{\tau_g} z_g)\) has norm at most 1. So for every matrix `M`

    \[\sup \lVert M x \rVert \le
      \lVert [M c / \sqrt{\tau_0},\; M\,\mathrm{diag}(s_i / \sqrt{\tau_{g(i)}})] \rVert_2,\]

    the norm of `columns(M)` with every column divided by the root of the weight of its group.

    Attributes:
        centre: `(n,)`.
        spread: `(n,)`, not negative; a coordinate of spread 0 is fixed.
        group: `(n,)`, the group of each coordinate, 0, 1, ...; what stands at a fixed coordinate does not matter.
    """

    centre: Float64[np.ndarray, " n"]
    spread: Float64[np.ndarray, " n"]
    group: Int64[np.ndarray, " n"]

    @property
    def moving(self) -> np.ndarray:
        """Which coordinates are not fixed, `(n,)`."""
        return self.spread > 0

    def columns(self, matrix: Float64[np.ndarray, "m n"]) -> tuple[Float64[np.ndarray, "m c"], float]:
        """The map `matrix` as one of `(1, z)`: its value at the centre, and its moving columns times their spread.

        Returns:
            `(m, 1 + moving)`, and a bound of the Frobenius norm of its rounding error.
        """
        moving, size = self.moving, len(self.spread)
        entries = np.concatenate([(matrix @ self.centre)[:, None], matrix[:, moving] * self.spread[moving]], axis=1)
        reach = float(np.linalg.norm(self.centre) + self.spread.max(initial=0.0))
        return entries, gamma(size + 1) * float(np.linalg.norm(matrix)) * reach * upward(matrix.size)

    def sizes(self) -> tuple[Float64[np.ndarray, " k"], Int64[np.ndarray, " c"]]:
        """The size of the centre and of every group, and the index of each of `columns` among them.

        The size of the centre is its norm, that of a group its largest spread.
        """
        moving = self.moving
        index = np.concatenate([[0], 1 + np.unique(self.group[moving], return_inverse=True)[1]])
        sizes = np.zeros(int(index.max()) + 1)
        np.maximum.at(sizes, index[1:], self.spread[moving])
        sizes[0] = np.linalg.norm(self.centre)
        return sizes, index

    def radius(self, used: np.ndarray) -> float:
        """The radius of a ball about the centre that holds the coordinates that are `used`, `(n,)`, of the set."""
        largest = np.zeros(int(self.group.max(initial=0)) + 1)
        np.maximum.at(largest, self.group[used], self.spread[used])
        return float(np.linalg.norm(largest)) * upward(len(largest))
