"""The gradient of a selection, which has none: as if it were the identity, times a slope."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ._kept_weights import is_compiled


def straight_through(
    scores: Tensor, values: Tensor, slope: Tensor, *, signs: bool = False, extra: Tensor | None = None
) -> Tensor:
    """`values`, whose gradient with respect to the scores is that of the values times `slope`.

    Args:
        scores: what is trained.
        values: in the shape of the scores; what comes out.
        slope: in the same shape, as the frozen weights.
        signs: whether the gradient is multiplied by the signs of the scores, too: then moduli of scores count.
        extra: added to the gradient, as that of a penalty.

    Example:
        >>> scores = torch.tensor([1.0, -1.0], requires_grad=True)
        >>> out = straight_through(scores, torch.zeros(2), torch.tensor([3.0, 5.0]), signs=True)
        >>> out.sum().backward()
        >>> scores.grad
        tensor([ 3., -5.])
    """
    return _StraightThrough.apply(scores, values, slope, signs, extra)  # pyright: ignore[reportReturnType]


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        scores: Tensor,
        values: Tensor,
        slope: Tensor,
        signs: bool,
        extra: Tensor | None,
    ) -> Tensor:
        ctx.save_for_backward(slope, scores if signs else None, extra)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        slope, scores, extra = ctx.saved_tensors
        found = gradients[0] * slope if scores is None else _signed_product(gradients[0], slope, scores)
        if extra is not None:
            found += extra
        return found, None, None, None, None


def _signed_product(gradient: Tensor, slope: Tensor, scores: Tensor) -> Tensor:
    """`gradient * slope * sign(scores)` as a new tensor."""
    tensors = gradient, slope, scores
    if not is_compiled(tensors) or not all(tensor.is_contiguous() for tensor in tensors):
        return (gradient * slope).mul_(scores.sign())
    from ._kernels import fill_slopes

    found = torch.empty_like(gradient)
    fill_slopes(*(tensor.detach().view(-1).numpy() for tensor in (*tensors, found)))
    return found
