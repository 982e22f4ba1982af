"""The flow that pruning alone makes, of weights that were never trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from tombola.random_source import Normal, Scheme, Uniform

from ._flow import Flow
from ._groups import Grouping, by_layer

HALVINGS = 200


def deviations(parameters: Mapping[str, Tensor], *, scheme: Scheme | None = None) -> dict[str, float]:
    """Standard deviations of weights about 0, of a normal law that a scheme gives them, or as they are.

    Args:
        parameters: those that are pruned, by name.
        scheme: such as `random_source.he` or `random_source.glorot`; default: the root of the mean square.

    Raises:
        ValueError: if the scheme gives a parameter no normal law.

    Example:
        >>> import torch
        >>> from tombola.random_source import he
        >>> deviations({"fc.weight": torch.zeros(10, 50)}, scheme=he)
        {'fc.weight': 0.2}
    """
    if scheme is None:
        return {name: float(value.detach().double().square().mean().sqrt()) for name, value in parameters.items()}
    found = {}
    for name, value in parameters.items():
        law = scheme(name, value)
        if not isinstance(law, Normal):
            raise ValueError(f"the scheme gives {name!r} the law {law}, not a normal one; use empirical_null")
        found[name] = law.std
    return found


def expected_null(
    kept: Sequence[int] | Sequence[float] | np.ndarray,
    sizes: Mapping[str, int],
    laws: Mapping[str, Normal | Uniform],
    *,
    grouping: Grouping = by_layer,
) -> Flow:
    """The expected flow of random weights, pruned by magnitude with one threshold `t` for all, in closed form.

    The threshold solves `sum_i N_i d_i = kept`. Of normal weights with standard deviation `s_i` remain
    `d_i = erfc(t / (s_i sqrt 2))` and `S_i = N_i s_i sqrt(2 / pi) exp(-t^2 / (2 s_i^2))`; of uniform ones up to `h_i`
    `d_i = 1 - t / h_i` and `S_i = N_i (h_i^2 - t^2) / (2 h_i)`, nothing where `t >= h_i`. Rewound and pretrained
    weights want `empirical_null`. Cost: O(levels x parameters).

    Args:
        kept: numbers of weights at each level, `flow.kept` of the run that it is compared with.
        sizes: weights of each parameter.
        laws: of each parameter's weights, as `initial_laws` gives them.
        grouping: as in the run.

    Returns:
        A flow whose counts are expected ones, so no integers.

    Raises:
        ValueError: if the parameters differ, or a level keeps nothing or more than all.

    Example:
        >>> from tombola.random_source import Uniform
        >>> null = expected_null([2000, 1000], {"a": 1000, "b": 1000}, {"a": Uniform(1.0), "b": Uniform(0.5)})
        >>> null.densities.round(3).tolist()
        [[1.0, 1.0], [0.667, 0.333]]
    """
    if set(sizes) != set(laws):
        raise ValueError("sizes and laws are of the same parameters")
    numbers = np.array(list(sizes.values()), float)
    wanted = np.asarray(kept, dtype=float)
    if wanted.min() <= 0 or wanted.max() > numbers.sum():
        raise ValueError(f"levels keep from 1 to {numbers.sum():.0f} weights, got {wanted.min():g} to {wanted.max():g}")
    scales = np.array([laws[name].parameters[0] for name in sizes])
    is_uniform = np.array([isinstance(laws[name], Uniform) for name in sizes])
    low, high = np.zeros_like(wanted), np.full_like(wanted, 40 * scales.max())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        many = (numbers * _moments(middle, scales, is_uniform)[0]).sum(axis=1) >= wanted
        low, high = np.where(many, middle, low), np.where(many, high, middle)
    threshold = np.where(wanted < numbers.sum(), low, 0.0)
    counts, magnitudes, squares = numbers * _moments(threshold, scales, is_uniform)
    return _grouped(list(sizes), numbers, counts, magnitudes, squares, grouping)


def gaussian_null(
    kept: Sequence[int] | Sequence[float] | np.ndarray,
    sizes: Mapping[str, int],
    deviations: Mapping[str, float],
    *,
    grouping: Grouping = by_layer,
) -> Flow:
    """`expected_null` of normal weights, from their standard deviations.

    Args:
        kept: numbers of weights at each level, `flow.kept` of the run that it is compared with.
        sizes: weights of each parameter.
        deviations: standard deviations of each parameter's weights, as `deviations` gives them.
        grouping: as in the run.

    Returns:
        A flow whose counts are expected ones, so no integers.

    Raises:
        ValueError: if the parameters differ, a deviation is not positive, or a level keeps nothing or more than all.

    Example:
        >>> null = gaussian_null([2000, 1000], {"a": 1000, "b": 1000}, {"a": 1.0, "b": 0.5})
        >>> null.densities.round(3).tolist()
        [[1.0, 1.0], [0.644, 0.356]]
    """
    if set(sizes) != set(deviations) or min(deviations.values(), default=0.0) <= 0:
        raise ValueError("sizes and deviations are of the same parameters, deviations above 0")
    return expected_null(kept, sizes, {name: Normal(deviations[name]) for name in sizes}, grouping=grouping)


def empirical_null(
    kept: Sequence[int] | Sequence[float] | np.ndarray, weights: Mapping[str, Tensor], *, grouping: Grouping = by_layer
) -> Flow:
    """The flow of given weights, ranked by their own magnitude with one threshold for all.

    Args:
        kept: numbers of weights at each level, `flow.kept` of the run that it is compared with.
        weights: of the pruned parameters, at initialisation, at the rewind point, or pretrained.
        grouping: as in the run.

    Returns:
        A flow of exact counts; of equal magnitudes those that come first in order stay.

    Raises:
        ValueError: if a level keeps nothing or more than all.

    Example:
        >>> import torch
        >>> weights = {"a": torch.tensor([3.0, -1.0]), "b": torch.tensor([2.0, 0.5])}
        >>> empirical_null([4, 2], weights).counts.tolist()
        [[2, 2], [1, 1]]
    """
    names = list(weights)
    flat = [weights[name].detach().double().abs().flatten().cpu().numpy() for name in names]
    moduli, owner = np.concatenate(flat), np.repeat(np.arange(len(names)), [len(part) for part in flat])
    wanted = np.asarray(kept, dtype=float).round().astype(int)
    if wanted.min() <= 0 or wanted.max() > len(moduli):
        raise ValueError(f"levels keep from 1 to {len(moduli)} weights, got {wanted.min()} to {wanted.max()}")
    order = np.argsort(-moduli, kind="stable")
    tables: list[list[np.ndarray]] = [[], [], []]
    for number in wanted:
        chosen = order[:number]
        for power, table in enumerate(tables):
            table.append(np.bincount(owner[chosen], moduli[chosen] ** power, minlength=len(names)))
    counts, magnitudes, squares = map(np.array, tables)
    numbers = np.array([len(part) for part in flat])
    return _grouped(names, numbers, counts.round().astype(np.int64), magnitudes, squares, grouping)


def _moments(thresholds: np.ndarray, sizes: np.ndarray, is_uniform: np.ndarray) -> np.ndarray:
    """`(3, levels, parameters)`, means of `|w|^k` for k = 0, 1, 2, with what lies below the thresholds taken as 0.

    Args:
        thresholds: `(levels,)`.
        sizes: `(parameters,)`, half widths of uniform laws and standard deviations of normal ones.
        is_uniform: `(parameters,)` bool.
    """
    from scipy.special import erfc

    x = thresholds[:, None] / (sizes * 2**0.5)
    density = np.exp(-(x**2)) / np.pi**0.5
    normal = [erfc(x), sizes * 2**0.5 * density, sizes**2 * (erfc(x) + 2 * x * density)]
    part = np.minimum(thresholds[:, None] / sizes, 1.0)
    uniform = [1 - part, sizes * (1 - part**2) / 2, sizes**2 * (1 - part**3) / 3]
    return np.where(is_uniform, uniform, normal)


def _grouped(
    names: Sequence[str],
    sizes: np.ndarray,
    counts: np.ndarray,
    magnitudes: np.ndarray,
    squares: np.ndarray,
    grouping: Grouping,
) -> Flow:
    """The flow of groups from columns of parameters."""
    groups = grouping(names)
    member = np.array([[name in inside for inside in groups.values()] for name in names])
    return Flow(
        tuple(groups),
        (sizes @ member).astype(np.int64),
        counts @ member.astype(counts.dtype),
        magnitudes @ member.astype(float),
        squares @ member.astype(float),
        about={"null": True},
    )
