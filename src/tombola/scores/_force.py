"""FORCE: SNIP that looks at pruned weights too, so that they may return."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks

from ._masked import finite, masked_copy, mean_gradients
from ._score import Batches, Loss


def force(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    batch_statistics: bool = False,
) -> dict[str, Tensor]:
    """The dense weight times the gradient of the pruned network, `|theta * dL/dw|` at `w = theta * mask` [deJorge2021].

    A pruned weight's score says what the loss would feel if it came back at its old value; here it is of account. It
    only comes back in several rounds that are told to let it: `prune` with `density=geometric(0.05, 60, revive=True)`.
    The published code has 10 rounds by default and 60 in its examples. Without pruned weights the scores are SNIP's.

    Cost: one forward and backward of each batch, and a copy of the model.

    Args:
        model: at the dense weights.
        batches: inputs and targets. The published code takes other examples in each round.
        masks: of the parameters to be scored, as they are in this round.
        loss: of outputs and targets, a mean over examples.
        generator: only of what the model itself draws in evaluation mode, usually nothing.
        batch_statistics: whether batch norm normalises by each batch, as in training; otherwise by its running
            statistics, which at initialisation change nothing.

    Raises:
        ValueError: for masks or batches that do not fit, none of either, or a loss or scores that are not finite.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0, -1.0]]))
        >>> masks, half = {"weight": torch.tensor([[True, False]])}, lambda out, y: ((out - y) ** 2).mean() / 2
        >>> batches = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]]))]  # the residual is 2 - 1 = 1
        >>> force(model, batches, masks=masks, loss=half, generator=torch.Generator())["weight"].tolist()
        [[2.0, 3.0]]
    """
    with masked_copy(model, masks, generator, batch_statistics=batch_statistics) as copy:
        slopes = mean_gradients(copy, batches, loss, copy.weights())
    return finite({name: (weight * slopes[name]).abs() for name, weight in copy.dense.items()})
