"""Operator norms of convolutions that are proved, not estimated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from tombola.graph import Window

from ._norms import spectral_norm_bound
from ._rounding import UNIT, upward

CHUNK = 2**22  # complex entries of frequency responses that are held at a time


def operator_norm_bound(weight: Tensor, window: Window | None, shape: Sequence[int]) -> float:
    r"""A number that is at least the 2-norm of a dense layer or a convolution, as a map of whole images.

    A convolution with zero padding is a part of a circular one on the padded image, whose norm is the largest spectral
    norm of its frequency responses \(\hat K(\omega)\), `(outputs, inputs)` complex matrices. Strides turn blocks of
    pixels into channels first. The guarantee is exact, rounding included. It is close: the circular and the padded
    convolution differ at the borders only. Costs O(p o i min(o, i)) for `p` pixels of the output.

    Args:
        weight: `(outputs, inputs)`, or `(outputs, inputs, *taps)` float64.
        window: of a convolution.
        shape: `(inputs, *pixels)` of what it acts on; inputs may be half of the weight's where these are split by sign.

    Example:
        >>> import torch
        >>> window = Window((3,), (1,), (1,), (1,))
        >>> bound = operator_norm_bound(torch.ones(1, 1, 3, dtype=torch.float64), window, (1, 100))
        >>> bool(2.99 < bound < 3.000001)  # the sum of the taps, for a constant signal
        True
    """
    if window is None or math.prod(window.kernel) == 1:
        return spectral_norm_bound(weight.reshape(weight.shape[:2]).numpy())
    taps, sizes = _unstrided(weight.numpy(), window, shape[1:])
    if not taps.any():
        return 0.0
    bound, largest = 0.0, 0.0
    frequencies = list(itertools.product(*(range(size) for size in sizes[:-1]), range(sizes[-1] // 2 + 1)))
    step = max(1, CHUNK // (taps.shape[0] * taps.shape[1]))
    for start in range(0, len(frequencies), step):
        responses = _responses(taps, sizes, np.array(frequencies[start : start + step]))
        cheap = _cheap_bounds(responses)
        for index in np.argsort(-cheap):
            if cheap[index] <= largest:
                bound = max(bound, float(cheap[index]))
                break
            exact = spectral_norm_bound(_real(responses[index]))
            bound, largest = max(bound, min(exact, float(cheap[index]))), max(largest, exact)
    spread = float(np.linalg.norm(taps.reshape(*taps.shape[:2], -1), axis=(0, 1)).sum())
    return (bound + 4 * UNIT * (math.prod(taps.shape[2:]) + 8) * spread) * upward(4)


def _unstrided(weight: np.ndarray, window: Window, sizes: Sequence[int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Taps `(outputs, inputs', *taps')` of an equal convolution of stride 1, and the sizes of its torus."""
    found, torus = weight, []
    for axis, (k, s, p, d, n) in enumerate(
        zip(window.kernel, window.stride, window.padding, window.dilation, sizes, strict=True), start=2
    ):
        reach = -(-(d * (k - 1) + 1) // s) * s
        wide = np.zeros((*found.shape[:axis], reach, *found.shape[axis + 1 :]))
        wide[(slice(None),) * axis + (slice(0, d * (k - 1) + 1, d),)] = found
        split = wide.reshape(*wide.shape[:axis], reach // s, s, *wide.shape[axis + 1 :])
        moved = np.moveaxis(split, axis + 1, 2)
        found = moved.reshape(moved.shape[0], moved.shape[1] * s, *moved.shape[3:])
        torus.append(max(-(-(n + 2 * p) // s), reach // s))
    return found, tuple(torus)


def _responses(taps: np.ndarray, sizes: tuple[int, ...], frequencies: np.ndarray) -> np.ndarray:
    """The frequency responses `(count, outputs, inputs)` at integer frequencies `(count, axes)`."""
    places = np.array(list(np.ndindex(*taps.shape[2:])))
    turns = (frequencies / np.array(sizes)) @ places.T
    phases = np.exp(-2j * np.pi * turns)
    flat = taps.reshape(taps.shape[0] * taps.shape[1], -1)
    return (phases @ flat.T).reshape(-1, *taps.shape[:2])


def _cheap_bounds(responses: np.ndarray) -> np.ndarray:
    """Bounds `(count,)` of spectral norms: fourth roots of the traces of squared Gram matrices."""
    wide = responses.shape[1] <= responses.shape[2]
    adjoint = responses.conj().transpose(0, 2, 1)
    gram = responses @ adjoint if wide else adjoint @ responses
    return np.sqrt(np.linalg.norm(gram, axis=(1, 2))) * upward(responses.shape[1] * responses.shape[2])


def _real(matrix: np.ndarray) -> np.ndarray:
    """A complex matrix as a real one of the same spectral norm."""
    real, imaginary = np.real(matrix), np.imag(matrix)
    return np.block([[real, -imaginary], [imaginary, real]])
