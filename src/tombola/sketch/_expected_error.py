"""The error of sketches of a linear model, exactly."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def expected_error(
    norms: Float[Tensor, " d"],
    weights: Float[Tensor, " d"],
    probabilities: Float[Tensor, " d"],
    *,
    draws: int,
    output: float,
) -> float:
    """`E ||X w - X (w o m)||^2` of a sketch with replacement: `(sum ||x_i||^2 w_i^2 / p_i - ||X w||^2) / draws`.

    Exact [Drineas2006]. It holds for any weights that do not depend on the draw given the probabilities: with weights
    at the end of training it is, for a mask drawn at initialisation, the exact error there (derived here).

    Args:
        norms: `(d,)`, of the columns of `X`, that is of the features over all examples.
        weights: `(d,)`.
        probabilities: `(d,)`, of one draw.
        draws: how many.
        output: `||X w||`.

    Returns:
        Infinity if a weight that matters is never drawn.

    Raises:
        ValueError: if there is no draw.

    Example:
        >>> x, w = torch.eye(2, dtype=torch.float64), torch.tensor([3.0, 1.0], dtype=torch.float64)
        >>> round(expected_error(x.norm(dim=0), w, w / 4, draws=2, output=float((x @ w).norm())), 6)
        3.0
    """
    check_draws(draws)
    return (float(second_moments(norms, weights, probabilities).sum()) - output**2) / draws


def optimal_probabilities(norms: Float[Tensor, " d"], weights: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """The probabilities of least `expected_error`, `||x_i|| |w_i|` brought to sum 1.

    Exact [Drineas2006]. With equal norms they are the moduli of the weights: the data have no say.

    Args:
        norms: `(d,)`, of the columns of `X`.
        weights: `(d,)`.

    Returns:
        Float64.

    Example:
        >>> optimal_probabilities(torch.tensor([1.0, 2.0]), torch.tensor([-2.0, 3.0])).tolist()
        [0.25, 0.75]
    """
    importance = norms.double() * weights.double().abs()
    return importance / importance.sum()


def data_free_error(
    weights: Float[Tensor, " d"],
    probabilities: Float[Tensor, " d"],
    *,
    draws: int,
    samples: int = 1,
    variance: float = 1.0,
) -> float:
    """`expected_error` on average over data: `samples variance (sum w_i^2 / p_i - ||w||^2) / draws`.

    Exact, derived here, for any data whose features are uncorrelated and of equal second moment. It is least at
    `|w_i| / ||w||_1`, so that of all data-free distributions magnitude is the best: `||w||_1^2` in place of the sum.
    Gaussian weights: `2 / pi` of the error of uniform sampling, in many dimensions.

    Args:
        weights: `(d,)`.
        probabilities: `(d,)`, of one draw.
        draws: how many.
        samples: how many examples.
        variance: the second moment of a feature.

    Raises:
        ValueError: if there is no draw.

    Example:
        >>> w = torch.tensor([3.0, 1.0], dtype=torch.float64)
        >>> data_free_error(w, w / 4, draws=2), data_free_error(w, torch.full_like(w, 0.5), draws=2)
        (3.0, 5.0)
    """
    check_draws(draws)
    moment = float(second_moments(torch.ones_like(weights), weights, probabilities).sum())
    return samples * variance * (moment - float(weights.double().square().sum())) / draws


def poisson_error(norms: Float[Tensor, " d"], weights: Float[Tensor, " d"], inclusion: Float[Tensor, " d"]) -> float:
    """`E ||X w - X (w o m)||^2` of a `poisson` sketch: `sum (1 / q_i - 1) ||x_i||^2 w_i^2`.

    Exact, derived here.

    Args:
        norms: `(d,)`, of the columns of `X`.
        weights: `(d,)`.
        inclusion: `(d,)`, how likely each weight is to stay.

    Example:
        >>> poisson_error(torch.ones(2), torch.tensor([3.0, 1.0]), torch.tensor([1.0, 0.5]))
        1.0
    """
    moments = second_moments(norms, weights, inclusion)
    return float((moments * (1 - inclusion.double())).nan_to_num(posinf=torch.inf).sum())


def second_moments(norms: Tensor, weights: Tensor, probabilities: Tensor) -> Tensor:
    """`||x_i||^2 w_i^2 / p_i` in float64, 0 where the numerator is."""
    energies = (norms.double() * weights.double()).square()
    return torch.where(energies > 0, energies / probabilities.double(), 0.0)


def check_draws(draws: int) -> None:
    """Raises ValueError unless something is drawn."""
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
