"""Quantities of groups on a logarithmic scale, against one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._flow import Flow

Observable = Callable[[Flow], np.ndarray]


def magnitudes(flow: Flow) -> np.ndarray:
    """`(levels, g)`, sums of moduli of kept weights: the usual observable.

    Example:
        >>> flow = Flow(("a",), np.array([2]), np.array([[2], [1]]), np.array([[3.0], [2.0]]), np.array([[5.0], [4.0]]))
        >>> magnitudes(flow).tolist()
        [[3.0], [2.0]]
    """
    return flow.magnitudes


def clr(values: np.ndarray) -> np.ma.MaskedArray:
    """Logarithms of positive quantities less their mean over groups, `z_i = ln v_i - mean_j ln v_j`; rows sum to 0.

    They are the same for quantities and for their shares.

    Args:
        values: `(..., g)`, such as magnitudes. A row with a value of 0 has no coordinates, and is masked as a whole.

    Example:
        >>> clr(np.array([[1.0, np.e**2], [1.0, 0.0]])).tolist()
        [[-1.0, 1.0], [None, None]]
    """
    alive = (values > 0).all(axis=-1, keepdims=True)
    logs = np.log(np.where(alive, values, 1.0))
    found = logs - logs.mean(axis=-1, keepdims=True)
    return np.ma.MaskedArray(found, mask=np.broadcast_to(~alive, found.shape))


def log_ratio_basis(groups: int) -> np.ndarray:
    """`(g, g - 1)` with orthonormal columns of sum 0, which turns coordinates of `clr` into ones that are free.

    Example:
        >>> log_ratio_basis(2).round(3).tolist()
        [[0.707], [-0.707]]
    """
    basis = np.zeros((groups, groups - 1))
    for k in range(1, groups):
        basis[:k, k - 1] = 1 / k
        basis[k, k - 1] = -1
    return basis / np.linalg.norm(basis, axis=0)


def log_ratios(values: np.ndarray) -> np.ma.MaskedArray:
    """`(..., g - 1)` free log-ratios of positive quantities `(..., g)`; a row with a value of 0 is masked.

    Example:
        >>> log_ratios(np.array([1.0, np.e**2])).round(3).tolist()
        [-1.414]
    """
    found = clr(values)
    free = found.filled(0.0) @ log_ratio_basis(values.shape[-1])
    dead = np.ma.getmaskarray(found)[..., :1]
    return np.ma.MaskedArray(free, mask=np.broadcast_to(dead, free.shape))
