"""Networks through their linearisation: what sketches of it and of the neural tangent kernel cost.

Near its weights `w` a network is `f(X; w + u) ~ f(X; w) + Phi u`. `Phi` has a row for each output of each example and a
column `phi_j` for each weight; the kernel is `Theta = Phi Phi^T`. What holds for `X w` holds for `Phi w`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tombola.masks import Masks
from tombola.select import Scores
from tombola.sketch._expected_error import check_draws, second_moments
from tombola.sketch._linearised import Batches, linearised


def column_energies(
    model: nn.Module, batches: Batches, *, masks: Masks, passes: int = 16, generator: torch.Generator
) -> Scores:
    """Estimates of `||phi_j||^2`, each weight's part of the trace of the neural tangent kernel.

    The mean of `(Phi^T v)_j ** 2` over random signs `v`, anew for each batch. Unbiased; the standard deviation of one
    number is at most `sqrt(2 / passes)` of it. `passes` backwards for each batch, never the Jacobian; no labels, and
    with random inputs no data. `probabilities(energies)` are the best for a sketch of the kernel, and
    `probabilities` of `sqrt(energies) |w|` the best for a sketch of `Phi w` (derived here, from [Drineas2006]).

    Args:
        model: at any weights, read in evaluation mode; nothing of it changes.
        batches: inputs and targets on the model's device; targets are not read.
        masks: of the parameters that have columns; pruned weights count as zero and get 0.
        passes: how many signs for each output.
        generator: of the signs.

    Returns:
        In the shapes and kinds of the parameters.

    Raises:
        ValueError: without a pass, masks or batches, for batches on another device, or outputs that are not finite.

    Example:
        >>> net, x = nn.Linear(2, 1, bias=False), torch.tensor([[3.0, 1.0]])
        >>> masks = {"weight": torch.tensor([[True, True]])}
        >>> found = column_energies(net, [(x, torch.zeros(1))], masks=masks, passes=1, generator=torch.Generator())
        >>> found["weight"].tolist()
        [[9.0, 1.0]]
    """
    _check_passes(passes)
    with linearised(model, batches, masks, generator) as net:
        totals = {name: torch.zeros_like(value) for name, value in net.weights.items()}
        for number in range(len(net.inputs)):
            for pulled in net.pulled(number, passes):
                for name, value in pulled.items():
                    totals[name].addcmul_(value, value, value=1 / passes)
    return totals


def kernel_energy(
    model: nn.Module, batches: Batches, *, masks: Masks, passes: int = 16, generator: torch.Generator
) -> float:
    """An estimate of `||Theta||_F^2` of the neural tangent kernel between all outputs of all batches.

    The mean of `||Phi Phi^T v||^2` over random signs `v` [Hutchinson1990]. Unbiased; the relative standard deviation is
    at most `sqrt(2 / passes)`. About two backwards and one double backward for each batch and
    pass.

    Args:
        model: at any weights, read in evaluation mode; nothing of it changes.
        batches: inputs and targets on the model's device; targets are not read.
        masks: of the parameters that have columns; pruned weights count as zero.
        passes: how many signs for each output.
        generator: of the signs.

    Raises:
        ValueError: without a pass, masks or batches, for batches on another device, or outputs that are not finite.

    Example:
        >>> net, x = nn.Linear(2, 1, bias=False), torch.tensor([[3.0, 1.0]])
        >>> masks = {"weight": torch.tensor([[True, True]])}
        >>> kernel_energy(net, [(x, torch.zeros(1))], masks=masks, passes=1, generator=torch.Generator())
        100.0
    """
    _check_passes(passes)
    found = []
    with linearised(model, batches, masks, generator) as net:
        for _ in range(passes):
            direction = {name: torch.zeros_like(value) for name, value in net.weights.items()}
            for number in range(len(net.inputs)):
                for pulled in net.pulled(number, 1):
                    for name, value in pulled.items():
                        direction[name] += value
            found.append(net.energy(direction))
    return math.fsum(found) / passes


def function_error(
    energies: Mapping[str, Tensor],
    parameters: Mapping[str, Tensor],
    probabilities: Mapping[str, Tensor],
    *,
    draws: int,
    output: float,
) -> float:
    """`E ||Phi w - Phi (w o m)||^2` of a sketch with replacement; `expected_error` over parameters by name.

    Exact given exact energies, and unbiased given unbiased ones.

    Args:
        energies: `||phi_j||^2`, by parameter name.
        parameters: `w`, those that are sketched: initial weights, or how far training moved them.
        probabilities: of one draw.
        draws: how many.
        output: `||Phi w||`.

    Raises:
        ValueError: if there is no draw.

    Example:
        >>> energies, w = {"w": torch.tensor([9.0, 1.0])}, {"w": torch.tensor([1.0, 1.0])}
        >>> function_error(energies, w, {"w": torch.tensor([0.75, 0.25])}, draws=2, output=4.0)
        0.0
    """
    check_draws(draws)
    moments = [second_moments(energies[name].sqrt(), parameters[name], p) for name, p in probabilities.items()]
    return (math.fsum(float(moment.sum()) for moment in moments) - output**2) / draws


def kernel_error(
    energies: Mapping[str, Tensor], probabilities: Mapping[str, Tensor], *, draws: int, energy: float
) -> float:
    """`E ||Theta - Theta_m||_F^2` of a sketch with replacement: `(sum ||phi_j||^4 / p_j - ||Theta||_F^2) / draws`.

    Exact given exact energies, derived here; least at `p_j = ||phi_j||^2 / tr Theta`, where the sum is the trace
    squared. Estimated energies enter squared, so that their noise makes it too large: by a factor of at most
    `1 + 2 / passes` of the sum, for probabilities that were not made of the same estimate.

    Args:
        energies: `||phi_j||^2`, by parameter name.
        probabilities: of one draw.
        draws: how many.
        energy: `||Theta||_F^2`.

    Raises:
        ValueError: if there is no draw.

    Example:
        >>> kernel_error({"w": torch.tensor([9.0, 1.0])}, {"w": torch.tensor([0.5, 0.5])}, draws=2, energy=100.0)
        32.0
    """
    check_draws(draws)
    moments = [second_moments(energies[name], torch.ones_like(energies[name]), p) for name, p in probabilities.items()]
    return (math.fsum(float(moment.sum()) for moment in moments) - energy) / draws


def ridge_bound(*, error: float, cross_error: float, cross: float, targets: float, ridge: float) -> float:
    """How far a kernel ridge regression moves at one input when its kernel is replaced by another.

    `cross_error targets / ridge + cross error targets / ridge^2`. Exact as a bound, derived here: both kernels are
    positive semidefinite, so that their resolvents are at most `1 / ridge`. For gradient flow up to time `t` instead
    of a ridge, put `1 / t`.

    Args:
        error: the norm of the difference of the kernels between training examples; its root mean square over sketches
            is the root of `kernel_error`.
        cross_error: the norm of the difference of the rows between the input and the training examples.
        cross: the norm of the row itself.
        targets: the norm of the targets.
        ridge: positive.

    Raises:
        ValueError: unless all are numbers of their range.

    Example:
        >>> ridge_bound(error=0.5, cross_error=0.1, cross=2.0, targets=1.0, ridge=2.0)
        0.3
    """
    if not ridge > 0 or not all(norm >= 0 for norm in (error, cross_error, cross, targets)):
        raise ValueError("norms cannot be negative, and ridge is positive")
    return cross_error * targets / ridge + cross * error * targets / ridge**2


def _check_passes(passes: int) -> None:
    if passes < 1:
        raise ValueError(f"passes must be at least 1, got {passes}")
