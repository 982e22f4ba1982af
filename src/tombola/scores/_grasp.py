"""GraSP: keep what the gradient flow needs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from tombola.masks import Masks, apply

from ._masked import MaskedCopy, Slopes, finite, is_separable, masked_copy, mean_gradients, parts
from ._score import Batches, Loss


def grasp(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    temperature: float = 200.0,
    keep: Literal["largest", "smallest"] = "largest",
    batch_statistics: bool = True,
) -> dict[str, Tensor]:
    """`theta * (H g)`, with the gradient g and the Hessian H of the loss of tempered outputs [Wang2020].

    The paper scores removal by `-theta * H g` and removes the largest; here the largest stay, so the sign is the other
    one. Scores have both signs, and those near 0 are not the least: no modulus is taken. To first order, removing a
    weight changes `g . g`, the speed at which the loss falls, by `-2 theta * (H g)`. The paper's division by the sum of
    all scores changes no order and is left out.

    Exact: H g is differentiated twice, over all batches and kept weights; other parameters stand still. Cost: about
    five times what `snip` costs, and the memory of one batch with its graph of second order; without batch statistics
    that of a quarter of a batch, if the loss is a mean over examples.

    Args:
        model: at the weights to be scored. The published code redraws linear layers for it; here they stay.
        batches: some for each class, see `balanced_batches`; the published code has 10.
        masks: of the parameters to be scored; pruned weights count as zero and score 0.
        loss: of outputs and targets, a mean over examples.
        generator: only of what the model itself draws, usually nothing.
        temperature: by which outputs are divided.
        keep: "largest" as in the paper, or "smallest", which gives the opposite numbers.
        batch_statistics: whether batch norm normalises by each batch, as in the published code.

    Raises:
        ValueError: for masks or batches that do not fit, none of either, a loss or scores that are not finite, or an
            option out of range.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0, -1.0]]))
        >>> masks, half = {"weight": torch.ones(1, 2, dtype=torch.bool)}, lambda out, y: ((out - y) ** 2).mean() / 2
        >>> batches = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]]))]  # g = -2 (1, 3), H g = -20 (1, 3)
        >>> scores = grasp(model, batches, masks=masks, loss=half, generator=torch.Generator(), temperature=1.0)
        >>> scores["weight"].tolist()
        [[-40.0, 60.0]]
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if keep not in ("largest", "smallest"):
        raise ValueError(f'keep is "largest" or "smallest", got {keep!r}')
    with masked_copy(model, masks, generator, batch_statistics=batch_statistics) as copy:
        weights = copy.weights()
        products = _hessian_products(copy, batches, lambda outputs, y: loss(outputs / temperature, y), weights)
    sign = 1 if keep == "largest" else -1
    return finite({name: sign * weight * products[name] for name, weight in weights.items()})


def _hessian_products(copy: MaskedCopy, batches: Batches, loss: Loss, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """`H g` of the mean loss over all examples, with g over kept weights; one graph at a time."""
    direction = apply(copy.masks, mean_gradients(copy, batches, loss, weights))
    totals, seen = {name: torch.zeros_like(weight) for name, weight in weights.items()}, 0
    separable = is_separable(copy, batches, loss, weights)
    for part in (part for batch in batches for part in parts(*batch, separable=separable)):
        products, size = Slopes(copy, part, loss, weights).hessian_product(direction), len(part[0])
        for total, product in zip(totals.values(), products, strict=True):
            total.add_(product, alpha=size)
        seen += size
        del products  # before the next ones are made
    return {name: total / seen for name, total in totals.items()}
