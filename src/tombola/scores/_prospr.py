"""ProsPr: how much the loss feels a weight after a few steps of training."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tombola.masks import Masks

from ._masked import (
    MaskedCopy,
    Slopes,
    batch_loss,
    finite,
    gradients,
    is_separable,
    masked_copy,
    mean_gradients,
    numbers,
    parts,
)
from ._score import Batches, Loss


@dataclass(frozen=True)
class InnerSteps:
    """The steps of gradient descent through which `prospr` differentiates; the defaults are the published ones.

    Attributes:
        steps: how many; none makes `prospr` the same as `snip`.
        learning_rate: of the steps.
        momentum: as in torch's SGD, without dampening.

    Raises:
        ValueError: for a number out of range.

    Example:
        >>> InnerSteps(steps=5)
        InnerSteps(steps=5, learning_rate=0.1, momentum=0.0)
    """

    steps: int = 3
    learning_rate: float = 0.1
    momentum: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.learning_rate <= 0 or not 0 <= self.momentum < 1:
            raise ValueError(f"steps >= 0, learning_rate > 0 and 0 <= momentum < 1 are wanted, got {self}")


_PUBLISHED = InnerSteps()


def prospr(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    inner: InnerSteps = _PUBLISHED,
    first_order: bool = False,
    batch_statistics: bool = False,
) -> dict[str, Tensor]:
    """The modulus of the derivative of the loss after training by a mask entry at the start [Alizadeh2022].

    From `w_0 = mask * theta`, `w_(i+1) = w_i - rate * dL_i/dw_i` with the loss of one batch each, in turn; the score is
    `|dL(w_M)/dmask|` with the mean loss over all batches. Biases and batch norm take the steps too, but not what is
    frozen and not masked. Pruned weights stay at zero. With one batch, all steps and the last loss are on it, as in
    the published code's default.

    Exact: the steps are differentiated in full, unless `first_order` takes them as constants, `|theta * dL/dw_M|`. They
    are gone back one by one, each through its Hessian at weights that are kept, so a model that draws, draws again.
    Cost: what `snip` costs, and for each step several times a forward and backward of its batch. Memory: M copies of
    the weights and one graph of second order; of a quarter of a batch, where the loss is a mean over examples that do
    not see each other.

    Args:
        model: at the weights to be scored.
        batches: inputs and targets.
        masks: of the parameters to be scored; pruned weights score 0.
        loss: of outputs and targets, a mean over examples.
        generator: only of what the model itself draws in evaluation mode, usually nothing.
        inner: the steps.
        first_order: whether to leave out how the steps depend on the mask; then none is differentiated again.
        batch_statistics: whether batch norm normalises by each batch, as in training.

    Raises:
        ValueError: for masks or batches that do not fit, none of either, or a loss or scores that are not finite, as
            after steps that diverge.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0]]))
        >>> masks, half = {"weight": torch.ones(1, 1, dtype=torch.bool)}, lambda out, y: ((out - y) ** 2).mean() / 2
        >>> batches = [(torch.tensor([[1.0]]), torch.tensor([[0.0]]))]  # each step multiplies the weight by 1 - 0.1
        >>> scores = prospr(model, batches, masks=masks, loss=half, generator=torch.Generator())
        >>> round(scores["weight"].item(), 4), round(4 * 0.9**6, 4)
        (2.1258, 2.1258)
    """
    trained = [name for name, value in model.named_parameters() if value.requires_grad and name not in masks]
    with masked_copy(model, masks, generator, batch_statistics=batch_statistics) as copy:
        parameters = dict(copy.module.named_parameters())
        start = copy.weights() | {name: parameters[name].detach() for name in trained}
        *path, end = deque(_descended(copy, batches, loss, start, inner), maxlen=1 if first_order else None)
        slopes = mean_gradients(copy, batches, loss, end)
        del end
        if not first_order:
            slopes = _carried_back(copy, batches, loss, path, slopes, inner)
    return finite({name: (start[name] * slopes[name]).abs() for name in masks})


def _descended(
    copy: MaskedCopy, batches: Batches, loss: Loss, weights: dict[str, Tensor], inner: InnerSteps
) -> Iterator[dict[str, Tensor]]:
    """The weights before the steps and after each."""
    count, velocity = len(numbers(batches)), {name: torch.zeros_like(weight) for name, weight in weights.items()}
    yield weights
    for step in range(inner.steps):
        leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        _, value = batch_loss(copy, batches, loss, leaves, step % count)
        for name, slope in zip(leaves, gradients(value, leaves), strict=True):
            velocity[name].mul_(inner.momentum).add_(_kept(copy, name, slope))
        weights = {name: weight - inner.learning_rate * velocity[name] for name, weight in weights.items()}
        yield weights


def _carried_back(
    copy: MaskedCopy,
    batches: Batches,
    loss: Loss,
    path: list[dict[str, Tensor]],
    slopes: dict[str, Tensor],
    inner: InnerSteps,
) -> dict[str, Tensor]:
    """Slopes by the weights after the steps become those by the weights before, one step at a time, in place.

    From `v_(i+1) = momentum * v_i + dL_i/dw_i` and `w_(i+1) = w_i - rate * v_(i+1)`, backwards: the slope by `v_(i+1)`
    is momentum times the one by `v_(i+2)` less rate times the one by `w_(i+1)`, and that by `w_i` is the one by
    `w_(i+1)` and the Hessian of `L_i` times the one by `v_(i+1)`. Pruned weights do not step.

    Args:
        copy: of the model.
        batches: of the steps.
        loss: of the steps.
        path: the weights before each step; it is emptied.
        slopes: by the weights after the last step.
        inner: the steps.
    """
    velocity = {name: torch.zeros_like(slope) for name, slope in slopes.items()}
    separable = is_separable(copy, batches, loss, path[0]) if path else False
    while path:
        for name, slope in slopes.items():
            velocity[name].mul_(inner.momentum).sub_(_kept(copy, name, slope), alpha=inner.learning_rate)
        at, batch = path.pop(), batches[len(path) % len(batches)]
        for part in parts(*batch, separable=separable):
            products = Slopes(copy, part, loss, at).hessian_product(velocity)
            for slope, product in zip(slopes.values(), products, strict=True):
                slope.add_(product, alpha=len(part[0]) / len(batch[0]))
            del products  # before the next ones are made
    return slopes


def _kept(copy: MaskedCopy, name: str, slope: Tensor) -> Tensor:
    """A slope, 0 where weights are pruned."""
    return torch.where(copy.masks[name], slope, 0) if name in copy.masks else slope
