"""NTK-SAP: how much the trace of the neural tangent kernel feels a weight, without data and without weights."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tombola.masks import Masks, apply

from ._masked import MaskedCopy, checked, finite, gradients, masked_copy, numbers
from ._score import Batches, Loss

Redraw = Callable[[Tensor, torch.Generator], Tensor]
"""Fresh values for a parameter, in its shape and dtype and on its device; or the parameter itself."""


def he_normal(parameter: Tensor, generator: torch.Generator) -> Tensor:
    """Normal values of standard deviation sqrt(2 / fan-in) for matrices and kernels; what has one axis stays.

    [He2015] "Delving deep into rectifiers", ICCV 2015.

    Example:
        >>> fresh = he_normal(torch.zeros(50, 200), torch.Generator().manual_seed(0))
        >>> round(fresh.std().item(), 3)
        0.1
    """
    if parameter.ndim < 2:
        return parameter
    return _normal(parameter, generator) * math.sqrt(2 / parameter[0].numel())


def ntk_sap(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    redraw: Redraw | None = he_normal,
    epsilon: float = 0.01,
    passes: int = 5,
) -> dict[str, Tensor]:
    """`|d/dm_j mean ||f(z; theta * m) - f(z; (theta + epsilon * d) * m)||^2|` with normal z and d [Wang2023].

    For small epsilon the expectation over d is `epsilon^2` times the trace of the kernel. Inputs z are drawn anew for
    each batch in each pass, and with them weights theta and shifts d; the mean is over all of them and comes before the
    modulus. So the scores say something of the architecture alone, up to the noise of few draws. It takes 20 to 100
    rounds in `prune`: a single one can empty layers.

    Batch norm normalises both networks by the statistics of the first on the batch, taken as constants. Of the
    parameters only the masked ones are shifted.

    Cost: four forwards and two backwards for each batch in each pass, one of them at a time, and a copy of the model.

    Args:
        model: for its architecture; parameters that `redraw` leaves as they are, such as those of batch norm, count.
        batches: for the shapes, dtypes and number of their inputs alone, which have to be real.
        masks: of the parameters to be scored; pruned weights score 0.
        loss: not called.
        generator: of inputs, weights and shifts, drawn on its device.
        redraw: the law of fresh weights; None keeps the model's own.
        epsilon: the standard deviation of shifts.
        passes: over the batches.

    Raises:
        ValueError: for masks or batches that do not fit, none of either, inputs that are no real numbers, scores that
            are not finite, or an option out of range.

    Example:
        >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        >>> masks = {"0.weight": torch.ones(8, 4, dtype=torch.bool)}
        >>> batches = [(torch.zeros(16, 4), torch.zeros(16))]  # only their shapes count
        >>> scores = ntk_sap(
        ...     model, batches, masks=masks, loss=nn.functional.mse_loss, generator=torch.Generator().manual_seed(0)
        ... )
        >>> bool((scores["0.weight"] >= 0).all())
        True
    """
    if epsilon <= 0 or passes < 1:
        raise ValueError(f"epsilon must be positive and passes at least 1, got {epsilon} and {passes}")
    seen = 0
    with masked_copy(model, masks, generator) as copy:
        totals = {name: torch.zeros_like(value) for name, value in copy.dense.items()}
        for number in passes * list(numbers(batches)):
            x = _noise_like(checked(batches, number, copy.device)[0], number, generator)
            drawn = {name: value.detach() for name, value in copy.module.named_parameters()}
            drawn |= {name: value.clone() for name, value in copy.dense.items()}  # `redraw` may work in place
            if redraw is not None:
                drawn = {name: redraw(value, generator) for name, value in drawn.items()}
            _estimate_statistics_(copy, drawn | apply(copy.masks, {name: drawn[name] for name in masks}), x)
            for name, slope in _slopes(copy, drawn, x, epsilon, generator).items():
                totals[name] += slope
            seen += len(x)
    return finite({name: (total / seen).abs() for name, total in totals.items()})


def _slopes(
    copy: MaskedCopy, drawn: dict[str, Tensor], x: Tensor, epsilon: float, generator: torch.Generator
) -> dict[str, Tensor]:
    """The derivatives by mask entries of the squared distance of the outputs with and without a shift."""
    first = apply(copy.masks, {name: drawn[name].detach() for name in copy.dense})
    shifted = {name: drawn[name].detach() + epsilon * _normal(value, generator) for name, value in first.items()}
    second = apply(copy.masks, shifted)
    with torch.no_grad():
        b = copy.outputs(drawn | second, x)
    a, slopes = _slopes_of_one(copy, drawn, first, x, b)
    _, others = _slopes_of_one(copy, drawn, second, x, a)
    return {name: slopes[name] + others[name] for name in first}


def _slopes_of_one(
    copy: MaskedCopy, drawn: dict[str, Tensor], weights: dict[str, Tensor], x: Tensor, others: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The outputs, and the derivatives by mask entries of their squared distance to others that stand still."""
    leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
    outputs = copy.outputs(drawn | leaves, x)
    slopes = gradients((outputs - others).square().sum(), leaves)
    return outputs.detach(), {name: slope * weights[name] for name, slope in zip(leaves, slopes, strict=True)}


def _estimate_statistics_(copy: MaskedCopy, weights: dict[str, Tensor], x: Tensor) -> None:
    """Gives batch norm the statistics of a batch."""
    layers = [part for part in copy.module.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]
    if not layers:
        return
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum, layer.training = 1.0, True
    with torch.no_grad():
        copy.outputs(weights, x)
    for layer in layers:
        layer.training = False


def _noise_like(x: Tensor, number: int, generator: torch.Generator) -> Tensor:
    if not x.is_floating_point():
        raise ValueError(f"the inputs of batch {number} are {x.dtype}; normal noise can only stand in for real inputs")
    return _normal(x, generator)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal values in the shape and dtype of a tensor and on its device."""
    return torch.randn(like.shape, generator=generator, device=generator.device, dtype=like.dtype).to(like.device)
