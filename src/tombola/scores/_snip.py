"""SNIP: how much the loss feels a weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks

from ._masked import finite, masked_copy, mean_gradients
from ._score import Batches, Loss


def snip(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    batch_statistics: bool = False,
) -> dict[str, Tensor]:
    """The modulus of the derivative of the loss by a mask entry: `|theta * dL/dtheta|` [Lee2019].

    L is the mean over all examples, and the modulus is taken of its derivative, not of each batch's. The paper divides
    by the sum of all scores, which changes no order and is left out. What the paper does in one round, `prune` can do
    in several: that is iterative SNIP [deJorge2021], with the same scores on the network as it is so far. At low
    densities a single round may empty whole layers.

    Cost: one forward and backward of each batch, and a copy of the model.

    Args:
        model: at the weights to be scored.
        batches: a hundred examples or some for each class; the published code has one batch of 100.
        masks: of the parameters to be scored; pruned weights count as zero and score 0.
        loss: of outputs and targets, a mean over examples.
        generator: only of what the model itself draws in evaluation mode, usually nothing.
        batch_statistics: whether batch norm normalises by each batch, as in training; otherwise by its running
            statistics, which at initialisation change nothing.

    Raises:
        ValueError: for masks or batches that do not fit, none of either, or a loss or scores that are not finite.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0, -1.0]]))
        >>> masks, half = {"weight": torch.ones(1, 2, dtype=torch.bool)}, lambda out, y: ((out - y) ** 2).mean() / 2
        >>> batches = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]]))]  # the residual is 2 - 3 - 1 = -2
        >>> snip(model, batches, masks=masks, loss=half, generator=torch.Generator())["weight"].tolist()
        [[4.0, 6.0]]
    """
    with masked_copy(model, masks, generator, batch_statistics=batch_statistics) as copy:
        weights = copy.weights()
        slopes = mean_gradients(copy, batches, loss, weights)
    return finite({name: (weight * slopes[name]).abs() for name, weight in weights.items()})
