"""Bounds on the error of a linear model whose mask was drawn before it was trained."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from tombola.sketch._expected_error import check_draws, optimal_probabilities


def high_probability_bound(
    norms: Float[Tensor, " d"], weights: Float[Tensor, " d"], *, draws: int, failure: float, beta: float = 1.0
) -> float:
    """What `||X w - X (w o m)||^2` of a sketch with replacement stays below but with probability `failure`.

    `eta^2 ||X||_F^2 ||w||^2 / (beta draws)`, `eta = 1 + sqrt(8 log(1 / failure) / beta)`, in the form of [Drineas2006].
    Probabilistic. A valid upper bound, and a loose one: often tens of times the true quantile.

    Args:
        norms: `(d,)`, of the columns of `X`.
        weights: `(d,)`.
        draws: how many.
        failure: in (0, 1).
        beta: `overlap` of the probabilities with the optimal ones, in (0, 1].

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> round(high_probability_bound(torch.ones(2), torch.tensor([3.0, 4.0]), draws=50, failure=0.5), 3)
        11.255
    """
    check_draws(draws)
    if not 0 < failure < 1 or not 0 < beta <= 1:
        raise ValueError(f"failure lies in (0, 1) and beta in (0, 1], got {failure} and {beta}")
    eta = 1 + math.sqrt(8 * math.log(1 / failure) / beta)
    product = float(norms.double().square().sum()) * float(weights.double().square().sum())
    return eta**2 * product / (beta * draws)


def overlap(norms: Float[Tensor, " d"], weights: Float[Tensor, " d"], probabilities: Float[Tensor, " d"]) -> float:
    """The largest `beta` with `p >= beta p*` everywhere, `p*` the optimal probabilities of these weights; in [0, 1].

    Exact.

    Args:
        norms: `(d,)`, of the columns of `X`.
        weights: `(d,)`, for a statement about the end of training those of the end.
        probabilities: `(d,)`, of one draw.

    Example:
        >>> overlap(torch.ones(2), torch.tensor([3.0, 1.0]), torch.tensor([0.5, 0.5]))
        0.6666666666666666
    """
    best = optimal_probabilities(norms, weights)
    matter = best > 0
    return min(1.0, float((probabilities.double()[matter] / best[matter]).min()))


def overlap_bound(
    norms: Float[Tensor, " d"], trained: Float[Tensor, " d"], probabilities: Float[Tensor, " d"], *, draws: int
) -> float:
    """A bound on `expected_error` at the end of training: `(sum ||x_i|| |w_i|)^2 / (beta draws)`.

    Exact as a bound, derived here from [Drineas2006]; at most `||X||_F^2 ||w||^2 / (beta draws)`.

    Args:
        norms: `(d,)`, of the columns of `X`.
        trained: `(d,)`, weights that do not depend on the draw.
        probabilities: `(d,)`, of one draw.
        draws: how many.

    Returns:
        Infinity if a weight that matters is never drawn.

    Raises:
        ValueError: if there is no draw.

    Example:
        >>> overlap_bound(torch.ones(2), torch.tensor([3.0, 1.0]), torch.tensor([0.5, 0.5]), draws=2)
        12.0
    """
    check_draws(draws)
    beta = overlap(norms, trained, probabilities)
    return _total(norms, trained) ** 2 / (beta * draws) if beta > 0 else math.inf


def ratio_bound(
    norms: Float[Tensor, " d"], initial: Float[Tensor, " d"], trained: Float[Tensor, " d"], *, draws: int
) -> float:
    """A bound on the error at the end for the probabilities that were optimal at the start, by how weights grew.

    `kappa^2 (sum ||x_i|| |w0_i|)^2 / draws` with `kappa = max |w_i| / |w0_i|`. Exact as a bound, derived here.

    Args:
        norms: `(d,)`, of the columns of `X`.
        initial: `(d,)`, w0.
        trained: `(d,)`, w.
        draws: how many.

    Returns:
        Infinity if a weight that matters was 0.

    Raises:
        ValueError: if there is no draw.

    Example:
        >>> ratio_bound(torch.ones(2), torch.tensor([3.0, 1.0]), torch.tensor([3.0, 2.0]), draws=4)
        16.0
    """
    check_draws(draws)
    matter = (norms > 0) & (trained != 0)
    kappa = float((trained.double() / initial.double()).abs()[matter].max()) if bool(matter.any()) else 0.0
    return kappa**2 * _total(norms, initial) ** 2 / draws


def displacement_bound(
    norms: Float[Tensor, " d"], initial: Float[Tensor, " d"], trained: Float[Tensor, " d"], *, draws: int
) -> float:
    """A bound on the error at the end for the probabilities that were optimal at the start, by how weights moved.

    `2 (Z^2 + Z sum ||x_i|| (w_i - w0_i)^2 / |w0_i|) / draws` with `Z = sum ||x_i|| |w0_i|`. Exact as a bound, derived
    here. For Gaussian initial weights its mean is infinite, however small the moves; see `mixture_bound`.

    Args:
        norms: `(d,)`, of the columns of `X`.
        initial: `(d,)`, w0.
        trained: `(d,)`, w.
        draws: how many.

    Returns:
        Infinity if a weight that moved was 0.

    Raises:
        ValueError: if there is no draw.

    Example:
        >>> displacement_bound(torch.ones(2), torch.tensor([3.0, 1.0]), torch.tensor([3.0, 2.0]), draws=4)
        10.0
    """
    check_draws(draws)
    total = _total(norms, initial)
    moved = norms.double() * (trained.double() - initial.double()).square()
    moves = torch.where(moved > 0, moved / initial.double().abs(), 0.0)
    return 2 / draws * (total**2 + total * float(moves.sum()))


def mixture_bound(norms: Float[Tensor, " d"], trained: Float[Tensor, " d"], *, mixture: float, draws: int) -> float:
    """A bound on the error at the end for any probabilities of which a share `mixture` is uniform.

    `d sum ||x_i||^2 w_i^2 / (mixture draws)`, whatever the weights were at the start. Exact as a bound, derived here.

    Args:
        norms: `(d,)`, of the columns of `X`.
        trained: `(d,)`, weights that do not depend on the draw.
        mixture: in (0, 1].
        draws: how many.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> mixture_bound(torch.ones(2), torch.tensor([3.0, 1.0]), mixture=0.5, draws=4)
        10.0
    """
    check_draws(draws)
    if not 0 < mixture <= 1:
        raise ValueError(f"mixture lies in (0, 1], got {mixture}")
    energy = float((norms.double() * trained.double()).square().sum())
    return norms.numel() * energy / (mixture * draws)


def _total(norms: Tensor, weights: Tensor) -> float:
    """`sum ||x_i|| |w_i|`."""
    return float((norms.double() * weights.double().abs()).sum())
