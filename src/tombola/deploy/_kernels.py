"""Compiled products of sparse matrices, in fours, with one input or with many.

One input: a number at a time, in four sums. Many: they lie side by side, and a weight is taken times all of them at
once. NaN and infinities are what they are.
"""

from __future__ import annotations

import numpy as np
from numba import njit

ALIKE = {"reassoc", "contract", "nsz"}  # sums may be reordered; nothing is taken to be finite
Index = np.uintp  # without a sign: one with a sign would be compared with 0 first
FEW = 4  # inputs, below which they are taken one after the other
TILE = 64  # inputs side by side
AT_ONCE = 256  # outputs of a row, about so many
LINE = 16  # numbers in a line of the cache


@njit(cache=True, nogil=True, fastmath=ALIKE)
def rows_of_one(
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    positive: bool,
    x: np.ndarray,
    y: np.ndarray,
) -> None:
    """Fills `y (rows,)` with a matrix times `x (columns,)`, plus a bias, rectified if `positive`.

    Args:
        values: as in `Quads`.
        columns: likewise.
        starts: `(rows + 1,)` likewise.
        bias: `(rows,)`.
        positive: whether a ReLU follows.
        x: flat.
        y: flat.
    """
    zero, k = np.float32(0), Index(4) * Index(starts[0])
    for row in range(len(bias)):
        stop = Index(4) * Index(starts[row + 1])
        a, b, c, d = bias[row], zero, zero, zero
        while k < stop:
            a += values[k] * x[columns[k]]
            b += values[k + Index(1)] * x[columns[k + Index(1)]]
            c += values[k + Index(2)] * x[columns[k + Index(2)]]
            d += values[k + Index(3)] * x[columns[k + Index(3)]]
            k += Index(4)
        total = (a + b) + (c + d)
        y[row] = zero if positive and total < zero else total


@njit(cache=True, nogil=True, fastmath=ALIKE)
def rows_of_many(
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    positive: bool,
    x: np.ndarray,
    side: int,
    y: np.ndarray,
) -> None:
    """Fills `y (rows, width)`: column `c` of the matrix meets the `width` numbers of `x` from `c * side` on.

    Args:
        values: as in `Quads`.
        columns: likewise.
        starts: `(rows + 1,)` likewise.
        bias: `(rows,)`.
        positive: whether a ReLU follows.
        x: flat.
        side: how many inputs lie side by side.
        y: in two axes.
    """
    zero, k, step, width = np.float32(0), Index(4) * Index(starts[0]), Index(side), y.shape[1]
    for row in range(len(bias)):
        stop, out = Index(4) * Index(starts[row + 1]), y[row]
        out[:] = bias[row]
        while k < stop:
            v0, v1, v2, v3 = values[k], values[k + Index(1)], values[k + Index(2)], values[k + Index(3)]
            x0, x1 = x[Index(columns[k]) * step :], x[Index(columns[k + Index(1)]) * step :]
            x2, x3 = x[Index(columns[k + Index(2)]) * step :], x[Index(columns[k + Index(3)]) * step :]
            for p in range(width):
                out[p] += (v0 * x0[p] + v1 * x1[p]) + (v2 * x2[p] + v3 * x3[p])
            k += Index(4)
        if positive:
            for p in range(width):
                out[p] = zero if out[p] < zero else out[p]


@njit(cache=True, nogil=True)
def _turn(x: np.ndarray, y: np.ndarray) -> None:
    """Fills `y (m, n)` with the transpose of `x (n, m)`, a few columns at a time so that what is touched stays near."""
    for start in range(0, x.shape[1], LINE):
        stop = min(start + LINE, x.shape[1])
        part = y[start:stop]
        for i in range(x.shape[0]):
            row = x[i, start:stop]
            for j in range(len(row)):
                part[j, i] = row[j]


@njit(cache=True, nogil=True)
def chain(
    x: np.ndarray,
    sizes: np.ndarray,
    positive: np.ndarray,
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    y: np.ndarray,
) -> None:
    """Fills `y (batch, outputs)` with what layers make of `x (batch, inputs)`, one after the other.

    Args:
        x: inputs.
        sizes: `(layers + 1,)` int64, of what goes into each layer and comes out of the last.
        positive: `(layers,)`, whether a ReLU follows each.
        values: of all layers, as in `Quads`.
        columns: likewise.
        starts: of the rows of all layers, and where all end.
        bias: of all rows.
        y: outputs.
    """
    batch, layers, widest = x.shape[0], len(positive), sizes.max()
    side = 1 if batch < FEW else min(batch, TILE)
    taken, made = np.empty(widest * side, np.float32), np.empty(widest * side, np.float32)
    for sample in range(0, batch, side):
        n, row = min(side, batch - sample), 0
        _turn(x[sample : sample + n], taken[: sizes[0] * n].reshape(sizes[0], n))
        for layer in range(layers):
            stop = row + sizes[layer + 1]
            part, added = starts[row : stop + 1], bias[row:stop]
            if n == 1:
                rows_of_one(values, columns, part, added, positive[layer], taken, made)
            else:
                out = made[: len(added) * n].reshape(len(added), n)
                rows_of_many(values, columns, part, added, positive[layer], taken, n, out)
            taken, made, row = made, taken, stop
        _turn(taken[: sizes[layers] * n].reshape(sizes[layers], n), y[sample : sample + n])


@njit(cache=True, nogil=True)
def _within(size: int, offset: int, stride: int, count: int) -> tuple[int, int]:
    """From where to where `i` in `0 .. count - 1` has `i * stride + offset` in `0 .. size - 1`."""
    return max(0, -(offset // stride)), min(count, -((offset - size) // stride))


@njit(cache=True, nogil=True)
def _spread(x: np.ndarray, padding: np.ndarray, stride: np.ndarray, planes: np.ndarray) -> None:
    """Fills `planes (channels, strides, strides, rows, columns, samples)`, one plane for each remainder of a place."""
    (samples, channels, high, wide), (down, right) = x.shape, stride
    for a in range(down):
        top, bottom = _within(high, a - padding[0], down, planes.shape[3])
        for b in range(right):
            shift = b - padding[1]
            left, end = _within(wide, shift, right, planes.shape[4])
            for c in range(channels):
                for i in range(top, bottom):
                    for s in range(samples):
                        row, line = x[s, c, i * down + a - padding[0]], planes[c, a, b, i, :, s]
                        if samples == 1 and right == 1:
                            line[left:end] = row[left + shift : end + shift]
                        else:
                            for j in range(left, end):
                                line[j] = row[j * right + shift]


@njit(cache=True, nogil=True)
def convolution(
    x: np.ndarray,
    geometry: np.ndarray,
    positive: bool,
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    y: np.ndarray,
) -> None:
    """Fills `y (batch, channels, rows, columns)` with the convolution of `x (batch, channels, rows, columns)`.

    Inputs lie in planes, one for each remainder of their place by the stride, padding included: then the inputs that
    one weight meets, of all places, lie side by side, beginning where its column says.

    Args:
        x: images.
        geometry: `(2, 3)` int64, of rows and of columns: padding, stride, and the size of a plane.
        positive: whether a ReLU follows.
        values: as in `Quads`.
        columns: likewise, places in the planes.
        starts: likewise.
        bias: of each output channel.
        y: filled.
    """
    (batch, out, high, wide), channels = y.shape, x.shape[1]
    padding, stride, (rows, pitch) = geometry[:, 0], geometry[:, 1], geometry[:, 2]
    side = min(batch, max(1, AT_ONCE // (high * pitch)))
    for first in range(0, batch, side):
        n = min(side, batch - first)
        size = channels * stride[0] * stride[1] * rows * pitch * n
        flat = np.zeros(size + pitch * n, np.float32)  # the last places of a row reach behind the planes
        planes = flat[:size].reshape(channels, stride[0], stride[1], rows, pitch, n)
        _spread(x[first : first + n], padding, stride, planes)
        made = np.empty((out, high * pitch * n), np.float32)
        rows_of_many(values, columns, starts, bias, positive, flat, n, made)
        found = made.reshape(out, high, pitch, n)
        for channel in range(out):
            for h in range(high):
                _turn(found[channel, h, :wide], y[first : first + n, channel, h])
