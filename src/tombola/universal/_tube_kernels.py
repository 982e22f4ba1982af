"""How far lines stay inside a tube; compiled on first use."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def exits(
    points: np.ndarray, lower: np.ndarray, upper: np.ndarray, places: np.ndarray, values: np.ndarray, slopes: np.ndarray
) -> np.ndarray:
    """For every line the number of the first point, right of where it starts, that it misses; all `m` if none.

    Args:
        points: `(m,)` ascending.
        lower: `(m,)`.
        upper: `(m,)`.
        places: `(n,)` where the lines start.
        values: `(n,)` their values there.
        slopes: `(n,)`.
    """
    found = np.empty(places.size, np.int64)
    for k in range(places.size):
        i = np.searchsorted(points, places[k])
        while i < points.size:
            y = values[k] + slopes[k] * (points[i] - places[k])
            if y < lower[i] or y > upper[i]:
                break
            i += 1
        found[k] = i
    return found
