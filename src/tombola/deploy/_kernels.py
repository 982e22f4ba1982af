"""Compiled products of sparse matrices in bands of one row, or of four, with one input or with many.

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
    values: np.ndarray, columns: np.ndarray, starts: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray
) -> None:
    """Fills `y (rows,)` with a matrix times `x (columns,)`, plus a bias.

    Args:
        values: as in `Quads`, of single rows.
        columns: likewise.
        starts: `(rows + 1,)` likewise.
        bias: `(rows,)`.
        x: flat.
        y: flat.
    """
    zero, k = np.float32(0), Index(0)
    for row in range(len(bias)):
        stop = Index(4) * Index(starts[row + 1])
        a, b, c, d = bias[row], zero, zero, zero
        while k < stop:
            a += values[k] * x[columns[k]]
            b += values[k + Index(1)] * x[columns[k + Index(1)]]
            c += values[k + Index(2)] * x[columns[k + Index(2)]]
            d += values[k + Index(3)] * x[columns[k + Index(3)]]
            k += Index(4)
        y[row] = (a + b) + (c + d)


@njit(cache=True, nogil=True, fastmath=ALIKE)
def bands_of_one(
    values: np.ndarray, columns: np.ndarray, starts: np.ndarray, bias: np.ndarray, x: np.ndarray, y: np.ndarray
) -> None:
    """Likewise, of a matrix in bands of four rows: `starts` is `(rows / 4 + 1,)`."""
    k, v = Index(0), Index(0)
    for band in range(len(starts) - 1):
        row, stop = 4 * band, Index(4) * Index(starts[band + 1])
        a, b, c, d = bias[row], bias[row + 1], bias[row + 2], bias[row + 3]
        while k < stop:
            one = x[columns[k]]
            a += values[v] * one
            b += values[v + Index(1)] * one
            c += values[v + Index(2)] * one
            d += values[v + Index(3)] * one
            k, v = k + Index(1), v + Index(4)
        y[row], y[row + 1], y[row + 2], y[row + 3] = a, b, c, d


@njit(cache=True, nogil=True, fastmath=ALIKE)
def rows_of_many(
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    x: np.ndarray,
    side: int,
    y: np.ndarray,
) -> None:
    """Fills `y (rows, width)`: column `c` of the matrix meets the `width` numbers of `x` from `c * side` on.

    Args:
        values: as in `Quads`, of single rows.
        columns: likewise.
        starts: `(rows + 1,)` likewise.
        bias: `(rows,)`.
        x: flat.
        side: how many inputs lie side by side.
        y: in two axes.
    """
    k, step, width = Index(0), Index(side), y.shape[1]
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


@njit(cache=True, nogil=True, fastmath=ALIKE)
def bands_of_many(
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    x: np.ndarray,
    side: int,
    y: np.ndarray,
) -> None:
    """Likewise, of a matrix in bands of four rows: `starts` is `(rows / 4 + 1,)`."""
    k, step, width = Index(0), Index(side), y.shape[1]
    for band in range(len(starts) - 1):
        row, stop = 4 * band, Index(4) * Index(starts[band + 1])
        out0, out1, out2, out3 = y[row], y[row + 1], y[row + 2], y[row + 3]
        out0[:], out1[:], out2[:], out3[:] = bias[row], bias[row + 1], bias[row + 2], bias[row + 3]
        while k < stop:
            x0, x1 = x[Index(columns[k]) * step :], x[Index(columns[k + Index(1)]) * step :]
            x2, x3 = x[Index(columns[k + Index(2)]) * step :], x[Index(columns[k + Index(3)]) * step :]
            v = values[Index(4) * k :]
            a0, b0, c0, d0 = v[0], v[1], v[2], v[3]
            a1, b1, c1, d1 = v[4], v[5], v[6], v[7]
            a2, b2, c2, d2 = v[8], v[9], v[10], v[11]
            a3, b3, c3, d3 = v[12], v[13], v[14], v[15]
            for p in range(width):
                one, two, three, four = x0[p], x1[p], x2[p], x3[p]
                out0[p] += (a0 * one + a1 * two) + (a2 * three + a3 * four)
                out1[p] += (b0 * one + b1 * two) + (b2 * three + b3 * four)
                out2[p] += (c0 * one + c1 * two) + (c2 * three + c3 * four)
                out3[p] += (d0 * one + d1 * two) + (d2 * three + d3 * four)
            k += Index(4)


@njit(cache=True, nogil=True)
def _any_of_many(
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    x: np.ndarray,
    side: int,
    y: np.ndarray,
) -> None:
    """Likewise, of a matrix in either."""
    if len(starts) == len(bias) + 1:
        rows_of_many(values, columns, starts, bias, x, side, y)
    else:
        bands_of_many(values, columns, starts, bias, x, side, y)


@njit(cache=True, nogil=True)
def _rectify(y: np.ndarray) -> None:
    """A ReLU in place, flat; NaN stays."""
    zero = np.float32(0)
    for k in range(len(y)):
        y[k] = zero if y[k] < zero else y[k]


@njit(cache=True, nogil=True)
def _turn(x: np.ndarray, y: np.ndarray) -> None:
    """Fills `y (m, n)` with the transpose of `x (n, m)`: of the one with longer rows a line of the cache at a time."""
    rows, columns = x.shape
    if rows <= columns:
        for start in range(0, columns, LINE):
            part = y[start : start + LINE]
            for i in range(rows):
                line = x[i, start : start + LINE]
                for j in range(len(line)):
                    part[j, i] = line[j]
    else:
        for start in range(0, rows, LINE):
            part = x[start : start + LINE]
            for j in range(columns):
                line = y[j, start : start + LINE]
                for i in range(len(line)):
                    line[i] = part[i, j]


@njit(cache=True, nogil=True)
def chain(
    x: np.ndarray,
    layers: np.ndarray,
    values: np.ndarray,
    columns: np.ndarray,
    starts: np.ndarray,
    bias: np.ndarray,
    y: np.ndarray,
) -> None:
    """Fills `y (batch, outputs)` with what layers make of `x (batch, inputs)`, one after the other.

    Args:
        x: inputs.
        layers: `(layers, 3)` int64: outputs, rows of a band (1 or 4), and whether a ReLU follows.
        values: of all layers, as in `Quads`.
        columns: likewise.
        starts: likewise, those of each layer from 0 on.
        bias: of all rows, those of bands that are filled up too.
        y: outputs.
    """
    (batch, inputs), widest = x.shape, max(x.shape[1], layers[:, 0].max() + 3)
    side = 1 if batch < FEW else min(batch, TILE)
    taken, made = np.empty(widest * side, np.float32), np.empty(widest * side, np.float32)
    for sample in range(0, batch, side):
        n = min(side, batch - sample)
        _turn(x[sample : sample + n], taken[: inputs * n].reshape(inputs, n))
        value, column, start, row = 0, 0, 0, 0
        for outputs, height, positive in layers:
            bands = -(-outputs // height)
            own = starts[start : start + bands + 1]
            places, count = 4 * own[bands], bands * height
            numbers, where = values[value : value + places * height], columns[column : column + places]
            added, out = bias[row : row + count], made[: count * n]
            if n > 1:
                _any_of_many(numbers, where, own, added, taken, n, out.reshape(count, n))
            elif height == 1:
                rows_of_one(numbers, where, own, added, taken, out)
            else:
                bands_of_one(numbers, where, own, added, taken, out)
            if positive:
                _rectify(out)
            value, column, start, row = value + places * height, column + places, start + bands + 1, row + count
            taken, made = made, taken
        _turn(taken[: y.shape[1] * n].reshape(y.shape[1], n), y[sample : sample + n])


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
        bias: of each output channel, and of those that fill up the last band.
        y: filled.
    """
    (batch, out, high, wide), channels = y.shape, x.shape[1]
    padding, stride, (rows, pitch) = geometry[:, 0], geometry[:, 1], geometry[:, 2]
    side = max(1, min(batch, AT_ONCE // (high * pitch)))
    for first in range(0, batch, side):
        n = min(side, batch - first)
        size = channels * stride[0] * stride[1] * rows * pitch * n
        flat = np.zeros(size + pitch * n, np.float32)  # the last places of a row reach behind the planes
        planes = flat[:size].reshape(channels, stride[0], stride[1], rows, pitch, n)
        _spread(x[first : first + n], padding, stride, planes)
        made = np.empty((len(bias), high * pitch * n), np.float32)
        _any_of_many(values, columns, starts, bias, flat, n, made)
        if positive:
            _rectify(made.reshape(-1))
        found = made.reshape(len(bias), high, pitch, n)
        for channel in range(out):
            for h in range(high):
                _turn(found[channel, h, :wide], y[first : first + n, channel, h])
