"""Operator norms of convolutions that are proved, not estimated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from tombola.graph import Window
from tombola.rounding import UNIT, gamma, upward

from ._norms import spectral_norm_bound

CHUNK = 2**22  # complex entries of frequency responses that are held at a time
STEPS = 24  # of power iteration
MARGIN = 2.0**-10  # of the first level that is tried, above the estimate


def operator_norm_bound(weight: Tensor, window: Window | None, shape: Sequence[int]) -> float:
    r"""A number that is at least the 2-norm of a dense layer or a convolution, as a map of whole images.

    A convolution with zero padding is a part of a circular one on the padded image, whose norm is the largest spectral
    norm of its frequency responses \(\hat K(\omega)\), `(outputs, inputs)` complex matrices. Strides turn blocks of
    pixels into channels first. The guarantee is exact, rounding included. It is close: within about a thousandth of the
    circular convolution, which differs from the padded one at the borders only. Costs O(p o i min(o, i)) for `p` pixels
    of the output.

    Args:
        weight: `(outputs, inputs)`, or `(outputs, inputs, *taps)` float64.
        window: of a convolution.
        shape: `(inputs, *pixels)` of what it acts on; inputs may be half of the weight's where these are split by sign.

    Example:
        >>> import torch
        >>> window = Window((3,), (1,), (1,), (1,))
        >>> bound = operator_norm_bound(torch.ones(1, 1, 3, dtype=torch.float64), window, (1, 100))
        >>> bool(2.99 < bound < 3.01)  # the sum of the taps, for a constant signal
        True
    """
    if window is None or math.prod(window.kernel) == 1:
        return spectral_norm_bound(weight.reshape(weight.shape[:2]).numpy())
    taps, sizes = _unstrided(weight.numpy(), window, shape[1:])
    if not taps.any():
        return 0.0
    frequencies = np.array(list(itertools.product(*(range(size) for size in sizes[:-1]), range(sizes[-1] // 2 + 1))))
    step = max(1, CHUNK // (taps.shape[0] * taps.shape[1]))
    bound = 0.0
    for start in range(0, len(frequencies), step):
        bound = max(bound, _largest_norm(_responses(taps, sizes, frequencies[start : start + step]), bound))
    spread = float(np.linalg.norm(taps.reshape(*taps.shape[:2], -1), axis=(0, 1)).sum())
    return (bound + 4 * UNIT * (math.prod(taps.shape[2:]) + 8) * spread) * upward(4)


def _largest_norm(responses: np.ndarray, known: float) -> float:
    r"""A bound of the spectral norms of complex matrices `(count, outputs, inputs)`, or `known` if that is one.

    As in `spectral_norm_bound`, a Cholesky factorisation of \(c I - G\), G a Gram matrix, that runs to its end proves
    that c is nearly a bound of the largest eigenvalue; one c serves all of them.
    """
    wide = responses.shape[1] <= responses.shape[2]
    adjoint = responses.conj().transpose(0, 2, 1)
    gram = responses @ adjoint if wide else adjoint @ responses
    size, terms = gram.shape[1], 4 * max(responses.shape[1:]) + 16
    traces = np.trace(gram, axis1=1, axis2=2).real
    level, margin = max(known**2, _estimate(gram)), MARGIN
    while True:
        top = level * (1 + margin)
        try:
            np.linalg.cholesky(top * np.eye(size) - gram)
        except np.linalg.LinAlgError:
            margin *= 4
            continue
        slack = gamma(terms) * (size * top + 2 * float(traces.max(initial=0.0)))
        return math.sqrt((top + slack) * upward(4)) * upward(1)


def _estimate(gram: np.ndarray) -> float:
    """About the largest eigenvalue of all matrices `(count, n, n)`, by power iteration from two starts."""
    starts = np.stack([np.ones(gram.shape[1]), np.cos(np.arange(gram.shape[1]) ** 2)], axis=1)
    vectors = np.broadcast_to(starts, (len(gram), *starts.shape)).astype(np.complex128)
    for _ in range(STEPS):
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)
        vectors = gram @ vectors
    return float(np.linalg.norm(vectors, axis=1).max(initial=0.0))


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
