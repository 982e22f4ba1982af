"""A criterion turned upside down.

References:
    [Frankle2021] J. Frankle, G. K. Dziugaite, D. M. Roy, M. Carbin, "Pruning neural networks at initialization: why are
        we missing the mark?", ICLR 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks
from tombola.scores import Batches, Loss, Score


def inverted(score: Score) -> Score:
    """The criterion with the opposite sign: `prune` keeps what it would prune first [Frankle2021].

    A control: a criterion that finds the weights that matter has to lose by it. The published code divides by squares,
    which is NaN for scores of zero; here the order is turned round and nothing else. To sample by an inverted
    criterion, transform by `tombola.sketch.rank`: the default takes moduli, and they stay what they are.

    Args:
        score: any criterion.

    Example:
        >>> from tombola.scores import magnitude
        >>> net = nn.Linear(3, 1, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[0.0, -3.0, 2.0]]))
        >>> from tombola.prune import prune
        >>> prune(net, score=inverted(magnitude), density=0.6)["weight"].tolist()
        [[True, False, True]]
    """

    def opposite(
        model: nn.Module, batches: Batches, *, masks: Masks, loss: Loss, generator: torch.Generator
    ) -> dict[str, Tensor]:
        found = score(model, batches, masks=masks, loss=loss, generator=generator)
        return {name: -value for name, value in found.items()}

    return opposite
