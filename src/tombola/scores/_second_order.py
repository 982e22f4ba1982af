"""Second-order saliency: what the loss feels of a weight, to second order, with a diagonal for the curvature."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks

from ._masked import (
    MaskedCopy,
    Slopes,
    batch_gradients,
    finite,
    is_separable,
    masked_copy,
    mean_gradients,
    parts,
)
from ._score import Batches, Loss


def fts(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    curvature: float = 0.5,
    batch_statistics: bool = False,
) -> dict[str, Tensor]:
    """`|theta g + curvature * theta^2 F|` with the gradient g, and F the mean square of the batches' gradients.

    Fisher-Taylor sensitivity [Gollini2025]. F is the diagonal of the empirical Fisher matrix if batches are of one
    example. The published code adds a half, as is the default here. Taylor's series of the loss when a weight goes to
    zero has a minus there, `curvature=-0.5`; without it, at 0, this is `snip`. The authors find that statistics of
    batch norm that have been estimated from data before, as `tombola.training.reestimate_batch_norm_` does in a model,
    help at low densities.

    Cost: one forward and backward of each batch, and a copy of the model.

    Args:
        model: at the weights to be scored.
        batches: each counts by its number of examples.
        masks: of the parameters to be scored; pruned weights count as zero and score 0.
        loss: of outputs and targets, a mean over examples.
        generator: only of what the model itself draws in evaluation mode, usually nothing.
        curvature: what the second-order term is multiplied by.
        batch_statistics: whether batch norm normalises by each batch, as in training.

    Raises:
        ValueError: for masks or batches that do not fit, none of either, or a loss or scores that are not finite.

    Example:
        >>> model = nn.Linear(2, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0, -1.0]]))
        >>> masks, half = {"weight": torch.ones(1, 2, dtype=torch.bool)}, lambda out, y: ((out - y) ** 2).mean() / 2
        >>> batches = [(torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0]]))]  # g = (-2, -6), F = (4, 36)
        >>> fts(model, batches, masks=masks, loss=half, generator=torch.Generator())["weight"].tolist()
        [[4.0, 24.0]]
    """
    with masked_copy(model, masks, generator, batch_statistics=batch_statistics) as copy:
        weights, seen = copy.weights(), 0
        slopes, squares = ({name: torch.zeros_like(weight) for name, weight in weights.items()} for _ in range(2))
        for size, parts in batch_gradients(copy, batches, loss, weights):
            for name, part in zip(weights, parts, strict=True):
                slopes[name].add_(part, alpha=size)
                squares[name].addcmul_(part, part, value=size)
            seen += size
    return _saliency(weights, slopes, squares, curvature, seen)


def hts(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    curvature: float = 0.5,
    temperature: float = 200.0,
    probes: int = 10,
) -> dict[str, Tensor]:
    """`|theta g + curvature * theta^2 diag(H)|` with gradient and Hessian of the loss of tempered outputs.

    Hessian-Taylor sensitivity [Gollini2025]. The diagonal is Hutchinson's unbiased estimate, the mean of `v * (H v)`
    over vectors v of random signs, new ones for each batch; H is taken over the kept weights of the masked parameters.
    On the sign of the second-order term and on batch norm see `fts`. The estimate is noisy: for one batch an entry's
    variance is the sum of squares of the other entries of its row of H, over the number of probes.

    Cost: two forwards, two backwards and `probes` Hessian-vector products of each batch. The graph of second order is
    of a quarter of a batch at a time, where the loss is a mean over examples that do not see each other.

    Args:
        model: at the weights to be scored.
        batches: inputs and targets.
        masks: of the parameters to be scored; pruned weights count as zero and score 0.
        loss: of outputs and targets, a mean over examples.
        generator: of the signs.
        curvature: what the second-order term is multiplied by.
        temperature: by which outputs are divided.
        probes: vectors for each batch.

    Raises:
        ValueError: for masks or batches that do not fit, none of either, a loss or scores that are not finite, or an
            option out of range.

    Example:
        >>> model = nn.Linear(1, 1, bias=False)
        >>> _ = model.weight.data.copy_(torch.tensor([[2.0]]))
        >>> masks, half = {"weight": torch.ones(1, 1, dtype=torch.bool)}, lambda out, y: ((out - y) ** 2).mean() / 2
        >>> batches = [(torch.tensor([[3.0]]), torch.tensor([[0.0]]))]  # g = 18 and H = 9, of which signs are no matter
        >>> hts(model, batches, masks=masks, loss=half, generator=torch.Generator(), temperature=1.0)["weight"].item()
        54.0
    """
    if temperature <= 0 or probes < 1:
        raise ValueError(f"temperature must be positive and probes at least 1, got {temperature} and {probes}")
    with masked_copy(model, masks, generator) as copy:

        def tempered(outputs: Tensor, y: Tensor) -> Tensor:
            return loss(outputs / temperature, y)

        weights = copy.weights()
        slopes = mean_gradients(copy, batches, tempered, weights)
        diagonal = _diagonal(copy, batches, tempered, weights, probes, generator)
    return _saliency(weights, slopes, diagonal, curvature, 1)


def _diagonal(
    copy: MaskedCopy,
    batches: Batches,
    loss: Loss,
    weights: dict[str, Tensor],
    probes: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Hutchinson's estimate of the diagonal of the Hessian over kept weights."""
    totals, seen = {name: torch.zeros_like(weight) for name, weight in weights.items()}, 0
    separable = is_separable(copy, batches, loss, weights)
    for batch in batches:
        state = generator.get_state()
        for part in parts(*batch, separable=separable):
            generator.set_state(state)  # a batch has one set of signs
            _add_probed_(totals, Slopes(copy, part, loss, weights), copy.masks, probes, len(part[0]), generator)
        seen += len(batch[0])
    return {name: total / (probes * seen) for name, total in totals.items()}


def _add_probed_(
    totals: dict[str, Tensor], slopes: Slopes, masks: Masks, probes: int, size: int, generator: torch.Generator
) -> None:
    """Adds the sum of `size * v * (H v)` over so many vectors of signs."""
    for _ in range(probes):
        signs = {name: _signs(mask, totals[name], generator) for name, mask in masks.items()}
        products = slopes.hessian_product(signs, again=True)
        for total, sign, product in zip(totals.values(), signs.values(), products, strict=True):
            total.addcmul_(sign, product, value=size)
        del signs, products  # before the next ones are made


def _signs(mask: Tensor, like: Tensor, generator: torch.Generator) -> Tensor:
    """Random signs of kept weights, 0 for pruned ones."""
    drawn = torch.randint(2, mask.shape, generator=generator, device=generator.device).to(like)
    return torch.where(mask, 2 * drawn - 1, 0)


def _saliency(
    weights: dict[str, Tensor], slopes: dict[str, Tensor], diagonal: dict[str, Tensor], curvature: float, seen: int
) -> dict[str, Tensor]:
    """The scores, from sums over so many examples."""
    return finite(
        {
            name: (weight * slopes[name] + curvature * weight.square() * diagonal[name]).abs() / seen
            for name, weight in weights.items()
        }
    )
