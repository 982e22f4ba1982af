"""The flow that pruning alone makes, of weights that were never trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from tombola.random_source import Normal, Scheme

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


def gaussian_null(
    kept: Sequence[int] | Sequence[float] | np.ndarray,
    sizes: Mapping[str, int],
    deviations: Mapping[str, float],
    *,
    grouping: Grouping = by_layer,
) -> Flow:
    """The expected flow of normal weights, pruned by magnitude with one threshold for all, in closed form.

    The threshold solves `sum_i N_i erfc(t / (s_i sqrt 2)) = kept`; then `d_i = erfc(t / (s_i sqrt 2))` and
    `S_i = N_i s_i sqrt(2 / pi) exp(-t^2 / (2 s_i^2))`. Networks of other laws, such as torch's own uniform one, and
    rewound or pretrained ones want `empirical_null`.

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
    from scipy.special import erfc

    if set(sizes) != set(deviations) or min(deviations.values(), default=0.0) <= 0:
        raise ValueError("sizes and deviations are of the same parameters, deviations above 0")
    names = list(sizes)
    numbers, scales = np.array([sizes[name] for name in names], float), np.array([deviations[name] for name in names])
    wanted = np.asarray(kept, dtype=float)
    if wanted.min() <= 0 or wanted.max() > numbers.sum():
        raise ValueError(f"levels keep from 1 to {numbers.sum():.0f} weights, got {wanted.min():g} to {wanted.max():g}")
    low, high = np.zeros_like(wanted), np.full_like(wanted, 40 * scales.max())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        many = (numbers * erfc(middle[:, None] / (scales * 2**0.5))).sum(axis=1) >= wanted
        low, high = np.where(many, middle, low), np.where(many, high, middle)
    x = np.where(wanted < numbers.sum(), low, 0.0)[:, None] / (scales * 2**0.5)
    density = np.exp(-(x**2)) / np.pi**0.5
    counts = numbers * erfc(x)
    squares = numbers * scales**2 * (erfc(x) + 2 * x * density)
    return _grouped(names, numbers, counts, numbers * scales * 2**0.5 * density, squares, grouping)


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
